"""Interpolative decomposition: a matrix rebuilt from some of its own columns, M ≈ M[:, S] Z.

After Gu & Eisenstat (1996), Cheng et al. (2005), Liberty et al. (2007), Advani et al. (2021) and Su (2024).
"""

from itertools import combinations
from math import comb

import numpy as np
from scipy.linalg import qr, solve_triangular

METHODS = ("pivoted", "sketch", "sample", "greedy", "strong", "best")
SUBSETS = 20_000  # that "best" may try


def interpolative_decomposition(M, rank, method="pivoted", *, seed=None, oversample=10):
    """`rank` columns S of M, and the Z for which M[:, S] Z is nearest to M in the sum of squares.

    Args:
        M: (n, m), an array of finite real numbers, n, m ≥ 1; computed in float64.
        rank: an integer from 1 to min(n, m), and no more than M has independent columns.
        method: how S is chosen.
            "pivoted": QR with column pivoting (LAPACK): at each step the column with the largest residual.
            "sketch": the same on Ω M, where Ω has rank + oversample rows of Gaussian numbers.
            "sample": the same within rank + oversample columns drawn at random, or more if these are dependent.
            "greedy": at each step the column that leaves the smallest total residual; needs (m, m) numbers,
                and is slow where most columns have a double.
            "strong": from "pivoted", exchange two columns while that more than doubles the volume (strong
                rank-revealing QR with f = 2); then no |Z| is above 2, unless M[:, S] is singular to rounding.
            "best": the best of all subsets, of which there may be at most `SUBSETS`.
        seed: of "sketch" and "sample": an integer ≥ 0, a numpy Generator, or None for a new one each time.
        oversample: an integer ≥ 0.

    Returns:
        S (rank,), column numbers in the order chosen; Z (rank, m), with the identity in the columns S.

    Raises:
        TypeError, ValueError: an argument that is not so, named.
    """
    A = _matrix(M)
    n, m = A.shape
    _integer("rank", rank, 1, min(n, m))
    _integer("oversample", oversample, 0, np.inf)
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(f"method is {method!r}; it must be one of {', '.join(METHODS)}")
    if seed is not None and not isinstance(seed, np.random.Generator):
        _integer("seed", seed, 0, np.inf)
    rank, oversample = int(rank), int(oversample)
    tiny = max(n, m) * np.finfo(float).eps * np.sqrt(np.einsum("ij,ij->j", A, A).max())
    if method in ("sketch", "sample"):
        rng = np.random.default_rng(seed)
    if method == "sketch":
        S = _pivots(rng.normal(size=(min(n, rank + oversample), n)) @ A)[0][:rank]
    elif method == "sample":
        order, k = rng.permutation(m), min(m, rank + oversample)
        Q, R, among = qr(A[:, order[:k]], mode="economic", pivoting=True, check_finite=False)
        while np.sum(np.abs(R.diagonal()) > tiny) < rank and k < m:
            k = min(m, 2 * k)
            Q, R, among = qr(A[:, order[:k]], mode="economic", pivoting=True, check_finite=False)
        S, Q, R = order[among[:rank]], Q[:, :rank], R[:rank, :rank]
    elif method == "greedy":
        S = _greedy(A, rank, tiny)
    elif method == "best":
        S = _best(A, rank, tiny)
    else:
        S = _pivots(A)[0][:rank]
    if method != "sample":
        Q, R = qr(A[:, S], mode="economic", check_finite=False)
    if np.abs(R.diagonal()).min() <= tiny:
        found = min(rank - 1, int(np.sum(_pivots(A)[1] > tiny)))  # at the threshold, methods may differ
        raise ValueError(f"rank is {rank}; it must be at most {found}, as many columns as M has independent ones")
    if method == "strong":
        S, Q, R = _exchange(A, S, Q, R)
    Z = solve_triangular(R, Q.T @ A, check_finite=False)
    Z[:, S] = np.eye(rank)
    return S, Z


def _pivots(A):
    """The order in which QR with column pivoting takes the columns, and the |R_kk|."""
    R, order = qr(A, mode="r", pivoting=True, check_finite=False)
    return order, np.abs(R.diagonal())


def _greedy(A, rank, tiny):
    """The column r_j of the residual R that takes off most, ‖Rᵀ r_j‖² / ‖r_j‖², again and again; G = Rᵀ R."""
    S, stale = [], True
    while len(S) < rank:
        if stale:
            Q = qr(A[:, S], mode="economic", check_finite=False)[0] if S else A[:, :0]
            R = A - Q @ (Q.T @ A)
            G = R.T @ R
            fresh = G.diagonal().copy()
        free = fresh > tiny**2
        free[S] = False
        d = G.diagonal()
        stale = not stale and bool((d < 1e-7 * fresh)[free].any())  # G has lost half of its digits: make it anew
        if not stale:
            free &= d > tiny**2
            if not free.any():
                return np.zeros(rank, dtype=int)  # one column, again and again: refused by the caller
            j = int(np.argmax(np.where(free, np.einsum("ij,ij->j", G, G) / np.where(free, d, 1), -1)))
            S.append(j)
            g = G[:, j] / np.sqrt(d[j])
            G -= np.outer(g, g)
    return np.array(S)


def _exchange(A, S, Q, R):
    """Exchange column i of S for j while the volume grows by (z_ij² + ‖r_j‖² ‖row i of R⁻¹‖²)^½ > 2."""
    while True:
        B = Q.T @ A
        Z = solve_triangular(R, B, check_finite=False)
        far = np.sum((A - Q @ B) ** 2, 0)  # ‖r_j‖²
        near = np.sum(solve_triangular(R, np.eye(len(S)), check_finite=False) ** 2, 1)
        growth = Z**2 + near[:, None] * far
        growth[:, S] = 0
        i, j = np.unravel_index(growth.argmax(), growth.shape)
        if growth[i, j] <= 4:
            return S, Q, R
        T = np.append(np.delete(S, i), j)
        P, U = qr(A[:, T], mode="economic", check_finite=False)
        if not abs(np.prod(U.diagonal() / R.diagonal())) > 1:  # rounding: no growth after all
            return S, Q, R
        S, Q, R = T, P, U


def _best(A, rank, tiny):
    m, least = A.shape[1], np.inf
    if comb(m, rank) > SUBSETS:
        raise ValueError(f"rank is {rank}; 'best' would try {comb(m, rank):,} subsets of {m} columns, over {SUBSETS:,}")
    S = np.zeros(rank, dtype=int)
    for T in combinations(range(m), rank):
        Q, R = qr(A[:, T], mode="economic", check_finite=False)
        left = np.sum((A - Q @ (Q.T @ A)) ** 2)
        if left < least and np.abs(R.diagonal()).min() > tiny:
            S, least = np.array(T), left
    return S


def _matrix(M):
    if np.ma.isMaskedArray(M):
        raise TypeError("M is a masked array; it must be plain: fill or drop what is masked")
    try:
        A = np.asarray(M)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise TypeError(f"M cannot be read as an array: {error}") from error
    if A.dtype.kind not in "iuf":
        raise TypeError(f"M is {type(M).__name__} of {A.dtype}; it must hold real numbers")
    if A.ndim != 2 or A.size == 0:
        raise ValueError(f"M has shape {A.shape}; it must be (n, m), not empty")
    A = A.astype(float, copy=False)
    high = np.maximum(A.max(), -A.min())
    if not np.isfinite(high):
        raise ValueError("M holds NaN or infinity; it must be finite")
    return A if 1e-60 < high < 1e60 else np.ldexp(A, -np.frexp(high)[1])  # so that no square leaves float64


def _integer(name, value, low, high):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} is {value!r}; it must be an integer{' or a numpy Generator' * (name == 'seed')}")
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}; it must be {f'from {low} to {high}' if high < np.inf else f'≥ {low}'}")
