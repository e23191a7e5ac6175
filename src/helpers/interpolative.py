"""Interpolative decomposition: a matrix rebuilt from some of its own columns, M ≈ M[:, S] Z.

After Gu & Eisenstat (1996), Cheng et al. (2005), Liberty et al. (2007), Advani et al. (2021) and Su (2024).
"""

from itertools import combinations
from math import comb
from numbers import Real

import numpy as np
from scipy.linalg import qr, solve_triangular

METHODS = ("pivoted", "sketch", "sample", "greedy", "strong", "best")
SUBSETS = 20_000  # that "best" may try
AT_ONCE = 2**17  # numbers of their residuals in one go
FEW = 64  # columns whose lengths pivoting keeps up to date


def interpolative_decomposition(M, rank=None, method="pivoted", *, tol=None, seed=None, oversample=10):
    """Some columns S of M, and the Z for which M[:, S] Z is nearest to M in the sum of squares.

    Args:
        M: (n, m), a dense array of finite real numbers, n, m ≥ 1; computed in float64.
        rank: how many columns, an integer from 1 to min(n, m), and no more than M has independent columns.
        method: how S is chosen.

            - "pivoted": QR with column pivoting: at each step the column with the largest residual, of equals the
              first.
            - "sketch": the same on Ω M, where Ω has rank + oversample rows of Gaussian numbers.
            - "sample": the same within rank + oversample columns drawn at random, or more if these are dependent.
            - "greedy": at each step the column that leaves the smallest total residual; needs (m, m) numbers, and is
              slow where most columns have a double.
            - "strong": from "pivoted", exchange two columns while that more than doubles the volume (strong
              rank-revealing QR with f = 2); then no entry of Z is above 2 in size, unless M[:, S] is singular to
              rounding.
            - "best": the best of all subsets, of which there may be at most `SUBSETS`.
        tol: in place of rank and with "pivoted", a number above 0 and below 1: as many columns as bring the error
            ‖M − M[:, S] Z‖ down to tol ‖M‖ (Frobenius norms), and no more; none if M is zero. Refused if all columns
            that are independent beyond rounding leave more.
        seed: of "sketch" and "sample": an integer ≥ 0, a numpy Generator, or None for a new one each time.
        oversample: an integer ≥ 0.

    Returns:
        S (rank,), column numbers in the order chosen; Z (rank, m), with the identity in the columns S.

    Raises:
        TypeError, ValueError: an argument that is not so, named.
    """
    A = _matrix(M)
    n, m = A.shape
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(f"method is {method!r}; it must be one of {', '.join(METHODS)}")
    if (rank is None) == (tol is None):
        raise ValueError(f"rank is {rank!r} and tol is {tol!r}; one of them must be given, and not both")
    if tol is None:
        _integer("rank", rank, 1, min(n, m))
    else:
        _tolerance(tol, method)
    _integer("oversample", oversample, 0, np.inf)
    if seed is not None and not isinstance(seed, np.random.Generator):
        _integer("seed", seed, 0, np.inf)
    rank, oversample = int(min(n, m) if rank is None else rank), int(oversample)
    squares = np.einsum("ij,ij->j", A, A)
    tiny = max(n, m) * np.finfo(float).eps * np.sqrt(squares.max())
    enough = 0 if tol is None else float(tol) ** 2 * squares.sum()
    if method in ("pivoted", "strong"):
        S, B, left = _pivots(A, rank, tiny, enough)
        if left > enough > 0:
            least = 1.01 * np.sqrt(left / squares.sum())
            raise ValueError(f"tol is {tol}; it must be at least {least:.2e}, what {len(S)} independent columns reach")
    else:
        S = _chosen(A, rank, method, tiny, np.random.default_rng(seed), oversample)
        B = qr(A[:, S], mode="economic", check_finite=False)[0].T @ A
    if tol is None and (len(S) < rank or np.abs(B[:, S].diagonal()).min() <= tiny):
        found = min(rank - 1, len(_pivots(A, rank, tiny)[0]))  # at the threshold, methods may differ
        raise ValueError(f"rank is {rank}; it must be at most {found}, as many columns as M has independent ones")
    if method == "strong":
        S, B = _exchange(A, S)
    Z = solve_triangular(B[:, S], B, check_finite=False)
    Z[:, S] = np.eye(len(S))
    return S, Z


def _chosen(A, rank, method, tiny, rng, oversample):
    if method == "greedy":
        return _greedy(A, rank, tiny)
    if method == "best":
        return _best(A, rank, tiny)
    n, m = A.shape
    if method == "sketch":
        return _pivots(rng.normal(size=(min(n, rank + oversample), n)) @ A, rank)[0]
    order, k = rng.permutation(m), min(m, rank + oversample)
    while len(S := order[_pivots(A[:, order[:k]], rank, tiny)[0]]) < rank and k < m:
        k = min(m, 2 * k)
    return S


def _pivots(A, rank, tiny=0, enough=0):
    """QR with column pivoting until a length (`tiny`) or the sum of squares (`enough`) runs out: S, QᵀA, that sum.

    Lengths only fall, so an old one is a bound: the `FEW` longest are kept up to date until another might be longer.
    """
    Q, B, S, D = np.empty((rank, len(A))), np.empty((rank, A.shape[1])), [], A
    left = np.einsum("ij,ij->j", A, A)  # ‖d_j‖², the residual of column j; D may be behind
    seen = left.copy()  # when it was last measured
    half = np.sqrt(np.finfo(float).eps)  # of the digits; with less, measure anew, as LAPACK does
    while (done := len(S)) < rank and left.sum() > enough and left.max() > tiny**2:
        few = np.sort(np.argsort(-left, kind="stable")[:FEW])
        C, near, other = D[:, few], left[few], np.delete(left, few).max(initial=tiny**2)
        for k in range(done, rank):
            i = near.argmax()
            q = C[:, i]
            for _ in range(2):  # the second time for what rounding left
                q = q - Q[:k] @ q @ Q[:k]
            Q[k] = q / np.linalg.norm(q)
            S.append(int(few[i]))
            seen[S[-1]] = 0
            near = np.where(seen[few] > 0, near - (Q[k] @ C) ** 2, 0)
            if enough or near.max() <= other or (near < half * seen[few]).any():
                break
        new = slice(done, len(S))
        B[new] = (D.T @ Q[new].T).T  # in this order BLAS copies less: a fifth faster
        left -= np.einsum("ij,ij->j", B[new], B[new])
        left[S] = 0
        lost = left < half * seen
        if lost.any():
            D = A.copy(order="K") if D is A else D
            D[:, lost] -= Q[: len(S)].T @ (Q[: len(S)] @ D[:, lost])
            left[lost] = seen[lost] = np.einsum("ij,ij->j", D[:, lost], D[:, lost])
    return np.array(S, dtype=int), B[: len(S)], left.sum()


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


def _exchange(A, S):
    """Exchange column i of S for j while the volume grows by (z_ij² + ‖r_j‖² ‖row i of R⁻¹‖²)^½ > 2: S and QᵀA."""
    Q, R = qr(A[:, S], mode="economic", check_finite=False)
    while True:
        B = Q.T @ A
        Z = solve_triangular(R, B, check_finite=False)
        far = np.sum((A - Q @ B) ** 2, 0)  # ‖r_j‖²
        near = np.sum(solve_triangular(R, np.eye(len(S)), check_finite=False) ** 2, 1)
        growth = Z**2 + near[:, None] * far
        growth[:, S] = 0
        i, j = np.unravel_index(growth.argmax(), growth.shape)
        if growth[i, j] <= 4:
            return S, B
        T = np.append(np.delete(S, i), j)
        P, U = qr(A[:, T], mode="economic", check_finite=False)
        if not abs(np.prod(U.diagonal() / R.diagonal())) > 1:  # rounding: no growth after all
            return S, B
        S, Q, R = T, P, U


def _best(A, rank, tiny):
    m, least = A.shape[1], np.inf
    if comb(m, rank) > SUBSETS:
        raise ValueError(f"rank is {rank}; 'best' would try {comb(m, rank):,} subsets of {m} columns, over {SUBSETS:,}")
    S, subsets = np.zeros(rank, dtype=int), np.array(list(combinations(range(m), rank)))
    for some in np.array_split(subsets, min(len(subsets), 1 + len(subsets) * A.size // AT_ONCE)):
        Q, R = np.linalg.qr(A[:, some].swapaxes(0, 1))  # (subset, n, rank)
        left = np.sum((A - Q @ (Q.swapaxes(1, 2) @ A)) ** 2, axis=(1, 2))
        left[np.abs(R.diagonal(axis1=1, axis2=2)).min(1) <= tiny] = np.inf
        if left.min() < least:
            S, least = some[left.argmin()], left.min()
    return S


def _matrix(M):
    if np.ma.isMaskedArray(M):
        raise TypeError("M is a masked array; it must be plain: fill or drop what is masked")
    try:
        A = np.asarray(M)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise TypeError(f"M cannot be read as an array: {error}") from error
    if A.dtype == object and A.ndim == 0:
        how = ", such as M.toarray()" if hasattr(M, "toarray") else ""
        raise TypeError(f"M is {type(M).__name__}; it must be a dense array{how}")
    if A.dtype.kind not in "iuf":
        raise TypeError(f"M is {type(M).__name__} of {A.dtype}; it must hold real numbers")
    if A.ndim != 2 or A.size == 0:
        raise ValueError(f"M has shape {A.shape}; it must be (n, m), not empty")
    A = A.astype(float, order="A", copy=False)  # contiguous
    high = np.maximum(A.max(), -A.min())
    if not np.isfinite(high):
        raise ValueError("M holds NaN or infinity; it must be finite")
    return A if 1e-60 < high < 1e60 else np.ldexp(A, -np.frexp(high)[1])  # so that no square leaves float64


def _integer(name, value, low, high):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} is {value!r}; it must be an integer{' or a numpy Generator' * (name == 'seed')}")
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}; it must be {f'from {low} to {high}' if high < np.inf else f'≥ {low}'}")


def _tolerance(tol, method):
    if isinstance(tol, bool) or not isinstance(tol, Real):
        raise TypeError(f"tol is {tol!r}; it must be a number")
    if not 0 < tol < 1:
        raise ValueError(f"tol is {tol}; it must be above 0 and below 1")
    if method != "pivoted":
        raise ValueError(f"method is {method!r}; with tol it must be 'pivoted'")
