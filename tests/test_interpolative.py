"""The interpolative decomposition: right where it answers, clear where it refuses. Peers: scipy, and plain loops."""

from itertools import combinations

import numpy as np
import pytest
import scipy.linalg.interpolative as peer
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.linalg import qr
from scipy.sparse.linalg import aslinearoperator

from helpers import interpolative
from helpers.interpolative import METHODS, interpolative_decomposition

EPS = np.finfo(float).eps
SHAPES = [(1, 1), (1, 6), (6, 1), (9, 9), (30, 12), (12, 30)]


def decayed(n, m, rate=0.7, seed=0):
    """A matrix with singular values rate**i."""
    rng = np.random.default_rng(seed)
    k = min(n, m)
    U, V = (np.linalg.qr(rng.normal(size=(size, k)))[0] for size in (n, m))
    return U * rate ** np.arange(k) @ V.T


def error(M, S):
    """The least error of any Z for these columns."""
    return np.linalg.norm(M - M[:, S] @ np.linalg.lstsq(M[:, S], M, rcond=None)[0])


def decompose(M, rank, method, **kwargs):
    return interpolative_decomposition(M, rank, method, seed=1, **kwargs)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_columns_are_kept_and_the_rest_is_fitted_best(shape, method):
    M = decayed(*shape)
    for rank in {1, min(*shape, 3)}:
        S, Z = decompose(M, rank, method)
        assert S.shape == (rank,) == (len(set(S.tolist())),) and Z.shape == (rank, shape[1])
        assert np.array_equal(Z[:, S], np.eye(rank))
        assert abs(np.linalg.norm(M - M[:, S] @ Z) - error(M, S)) < 1e-14 * shape[1]


@pytest.mark.parametrize("method", [m for m in METHODS if m != "best"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_full_rank_gives_the_matrix_back(shape, method):
    M = decayed(*shape)
    S, Z = decompose(M, min(shape), method)
    assert np.abs(M[:, S] @ Z - M).max() < 1e-13


@pytest.mark.parametrize("shape", [(20, 30), (30, 20), (40, 40)], ids=str)
def test_pivots_are_those_of_scipy(shape):
    for seed in range(10):
        M = decayed(*shape, seed=seed)
        order, projection = peer.interp_decomp(M, 7, rand=False)
        S, Z = interpolative_decomposition(M, 7)
        assert np.array_equal(S, order[:7])
        assert np.abs(Z[:, order[7:]] - projection).max() < 1e-11


def hard(rng, n, m):
    """Matrices on which residuals lose digits: by decay, by rows, by columns, and smooth ones."""
    x, k = rng.uniform(-1, 1, n + m), min(n, m)
    for rate in (0.9, 0.5, 0.1):
        yield decayed(n, m, rate, rng.integers(2**32))
    yield rng.normal(size=(n, m)) * 10.0 ** -np.linspace(0, 14, n)[:, None]
    yield rng.normal(size=(n, m)) * 10.0 ** -np.linspace(0, 10, m)
    yield rng.normal(size=(n, m)) * rng.standard_cauchy(m)
    yield decayed(n, m, 0.8, rng.integers(2**32)) * 0.8 ** np.arange(m)
    yield np.exp(-10 * (x[:n, None] - x[n:]) ** 2)
    yield np.vander(x[:n], m)
    yield rng.normal(size=(n, k // 2))[:, np.arange(m) % (k // 2)] + 1e-9 * rng.normal(size=(n, m))


@pytest.mark.parametrize("few", [1, 3, 64])
@pytest.mark.parametrize("shape", [(60, 100), (100, 60), (80, 80)], ids=str)
def test_pivots_are_those_of_lapack_down_to_rounding(shape, few, monkeypatch):
    """Wherever a residual is above 1e-12 of the longest column; lengths agree to the digits that are left."""
    monkeypatch.setattr(interpolative, "FEW", few)
    for seed, scale in enumerate((1, 1e-6, 1e6)):
        for M in hard(np.random.default_rng(seed), *shape):
            M = M * scale
            R, order = qr(M, mode="r", pivoting=True)
            want = np.abs(R.diagonal())
            rank = int(np.sum(want > 1e-12 * want[0]))
            S, B, left = interpolative._pivots(M, rank)
            assert np.array_equal(S, order[:rank])
            assert np.abs(B[:, S].diagonal() / want[:rank] - 1).max() < 1e-2
            assert np.abs(np.tril(B[:, S], -1)).max() < 1e-14 * want[0]
            assert abs(np.sqrt(left) - np.linalg.norm(R[rank:])) < 1e-12 * want[0]


@pytest.mark.parametrize("c, rank", [(0.3, 60), (0.6, 30), (0.9, 8)])
def test_ties_are_broken_from_the_left(c, rank):
    assert interpolative_decomposition(np.eye(99), 80)[0].tolist() == list(range(80))
    assert interpolative_decomposition(kahan(60, c), rank)[0].tolist() == list(range(rank))
    assert interpolative_decomposition(np.ones((3, 4)) + np.eye(3, 4), 3)[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("few", [2, 3])
def test_of_equals_the_first_is_taken_be_it_kept_up_to_date_or_not(few, monkeypatch):
    monkeypatch.setattr(interpolative, "FEW", few)
    assert interpolative_decomposition([[0, 1, 2], [1, 0, 0], [0, 1, 0]], 2)[0].tolist() == [2, 0]


@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
def test_lengths_of_a_flat_matrix_are_updated_rarely_and_never_measured_anew(scale, monkeypatch):
    """Each turn sorts once, and sums squares once; 40 columns of 300 take but a few turns."""
    M, seen = scale * np.random.default_rng(0).normal(size=(300, 300)), []
    M[:, 7] = 0
    for name in ("argsort", "einsum"):
        call = getattr(np, name)
        monkeypatch.setattr(np, name, lambda *a, name=name, call=call, **k: seen.append(name) or call(*a, **k))
    interpolative._pivots(M, 40)
    assert seen.count("argsort") <= 6 and seen.count("einsum") == 1 + seen.count("argsort")


def test_steps_that_are_not_asked_for_are_not_taken():
    M = np.random.default_rng(0).normal(size=(50, 40))
    S, B, left = interpolative._pivots(M, 7)
    assert len(S) == 7 and B.shape == (7, 40) and abs(left - error(M, S) ** 2) < 1e-12 * left


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_as_many_columns_as_a_precision_needs(shape):
    M = decayed(*shape)
    every = interpolative_decomposition(M, min(shape))[0]
    for tol in (0.99, 0.3, 0.1, 1e-2, 1e-4, 1e-13):
        S, Z = interpolative_decomposition(M, tol=tol)
        T, Y = interpolative_decomposition(M, len(S))
        assert np.array_equal(S, T) and np.abs(Z - Y).max() < 1e-11
        assert np.linalg.norm(M - M[:, S] @ Z) <= tol * np.linalg.norm(M) < error(M, every[: len(S) - 1])


def test_a_precision_counts_what_is_left_of_all_columns():
    M = np.diag([3.0, 2, 2, 2, 2])  # squares: 9 and 4 times 4, together 25
    for rank, left in enumerate([16, 12, 8, 4], 1):
        assert len(interpolative_decomposition(M, tol=np.sqrt(left / 25) * 1.001)[0]) == rank
        assert len(interpolative_decomposition(M, tol=np.sqrt(left / 25) * 0.999)[0]) == rank + 1


def test_a_precision_may_be_met_exactly():
    assert len(interpolative_decomposition(2 * np.eye(4), tol=0.5)[0]) == 3


def test_a_precision_of_zeros_needs_no_columns():
    S, Z = interpolative_decomposition(np.zeros((3, 4)), tol=0.1)
    assert S.shape == (0,) and Z.shape == (0, 4) and np.array_equal(np.zeros((3, 4))[:, S] @ Z, np.zeros((3, 4)))


@pytest.mark.parametrize("scale", [1, 1e-200, 1e200])
def test_a_precision_beyond_rounding_is_refused_with_one_that_is_not(scale):
    for seed in range(8):
        M = 9 * scale * decayed(40, 3, seed=seed) @ decayed(3, 50)
        assert len(interpolative_decomposition(M, tol=1e-12)[0]) == 3
        with pytest.raises(ValueError, match=r"tol is 1e-18; it must be at least .*, what 3 independent") as refusal:
            interpolative_decomposition(M, tol=1e-18)
        least = float(str(refusal.value).split("at least ")[1].split(",")[0])
        assert least < 1e-14 and len(interpolative_decomposition(M, tol=least)[0]) == 3
        with pytest.raises(ValueError, match="at least"):
            interpolative_decomposition(M, tol=least / 1.02)


@pytest.mark.parametrize("view", [lambda M: M[::2, ::3], lambda M: M[::-1], lambda M: M.T, np.asfortranarray])
def test_numbers_are_read_in_one_piece(view):
    """A view with gaps would be copied at each step."""
    A = interpolative._matrix(view(decayed(20, 30)))
    assert (A.flags.c_contiguous or A.flags.f_contiguous) and np.array_equal(A, view(decayed(20, 30)))


def slow_greedy(M, rank):
    S = []
    for _ in range(rank):
        S.append(min((j for j in range(M.shape[1]) if j not in S), key=lambda j: error(M, [*S, j])))
    return S


@pytest.mark.parametrize("rate", [0.95, 0.7, 0.2])  # at 0.2 the Gram matrix must be made anew many times
@pytest.mark.parametrize("shape", [(12, 9), (9, 14)], ids=str)
def test_greedy_is_that_of_a_plain_loop(shape, rate):
    for seed in range(5):
        M = decayed(*shape, rate, seed)
        assert interpolative_decomposition(M, 7, "greedy")[0].tolist() == slow_greedy(M, 7)


def test_greedy_sees_a_small_residual_that_points_the_right_way():
    M = np.array([[1, 1, 0.0, 0.0, 0], [0, 1e-6, 0.1, 0.1, 0], [0, 0, 0.001, -0.001, 0]])
    assert interpolative_decomposition(M, 2, "greedy")[0].tolist() == slow_greedy(M, 2)


def test_greedy_updates_the_gram_matrix(monkeypatch):
    """On a flat spectrum it is made once, not once a step: one factorization, and the last one for Z."""
    seen = []
    monkeypatch.setattr(interpolative, "qr", lambda *args, **kwargs: seen.append(1) or qr(*args, **kwargs))
    interpolative_decomposition(decayed(40, 40, 0.97), 12, "greedy")
    assert len(seen) == 1


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_best_is_the_best(rank):
    M = decayed(7, 8)
    least = min(error(M, S) for S in combinations(range(8), rank))
    assert abs(error(M, decompose(M, rank, "best")[0]) - least) < 1e-15


def kahan(n, c=0.6):
    s = np.sqrt(1 - c * c)
    K = s ** np.arange(n)[:, None] * (np.eye(n) - c * np.triu(np.ones((n, n)), 1))
    return K * (1 - 1e-10 * np.arange(n))  # so that ties are broken from the left


def test_strong_bounds_z_where_pivoting_does_not():
    K = kahan(30)
    assert np.abs(interpolative_decomposition(K, 29)[1]).max() > 1e4
    S, Z = interpolative_decomposition(K, 29, "strong")
    assert np.abs(Z).max() <= 2
    rest = np.linalg.norm(K - K[:, S] @ Z, 2)
    assert rest <= np.sqrt(1 + 4 * 29) * np.linalg.svd(K)[1][-1]  # Gu & Eisenstat (1996), theorem 3.2, f = 2


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(2, 9), st.floats(0.05, 1))
def test_no_exchange_doubles_the_volume(seed, n, m, rate):
    M = decayed(n, m, rate, seed)
    rank = min(n, m) - 1
    S, _ = interpolative_decomposition(M, rank, "strong")
    volume = lambda S: np.prod(np.linalg.svd(M[:, S], compute_uv=False))
    swaps = [[*np.delete(S, i), j] for i in range(rank) for j in range(m) if j not in S]
    assert max(map(volume, swaps), default=0) <= 2 * volume(S) * (1 + 1e-6)


@pytest.mark.parametrize("method", ["sketch", "sample"])
def test_seeds(method):
    M = decayed(40, 50, 0.9)
    once, again = (interpolative_decomposition(M, 5, method, seed=3) for _ in range(2))
    assert np.array_equal(once[0], again[0]) and np.array_equal(once[1], again[1])
    rng = np.random.default_rng(3)
    assert np.array_equal(once[0], interpolative_decomposition(M, 5, method, seed=rng)[0])
    assert len({tuple(interpolative_decomposition(M, 5, method, seed=s)[0]) for s in range(5)}) > 1


@pytest.mark.parametrize("method", METHODS)
def test_zero_columns_and_doubles_are_never_chosen(method):
    M = np.zeros((6, 12))
    M[:, [2, 5, 11]] = decayed(6, 3)
    M[:, 7] = M[:, 2]
    S, Z = decompose(M, 3, method, oversample=0)
    assert sorted(7 if j == 2 else j for j in S) == [5, 7, 11] and np.abs(M[:, S] @ Z - M).max() < 1e-14
    with pytest.raises(ValueError, match="rank is 4; it must be at most 3"):
        decompose(M, 4, method)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_but_zeros_has_no_columns_to_choose(method):
    with pytest.raises(ValueError, match="rank is 1; it must be at most 0"):
        decompose(np.zeros((3, 4)), 1, method)
    with pytest.raises(ValueError, match="rank is 1; it must be at most 0"):
        decompose(np.zeros((3, 1)), 1, method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e300, 1e120, 1e99, 1e78, 1e50, 1e-50, 1e-80, 1e-99, 1e-120, 1e-300, 5e-324 * 2**60])
def test_scale_changes_nothing(method, scale):
    M = np.round(decayed(8, 7) * 2**20)
    (S, Z), (T, Y) = decompose(M, 3, method), decompose(M / 2**20 * scale, 3, method)
    assert np.array_equal(S, T) and np.abs(Z - Y).max() < 1e-3 * (scale < 1e-307) + 1e-12


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.float32, np.float16, list, np.asfortranarray])
def test_other_kinds_of_numbers_are_computed_in_float64(kind):
    M = np.random.default_rng(0).integers(0, 17, (9, 8))
    given = M.tolist() if kind is list else kind(M)
    for method in METHODS:
        (S, Z), (T, Y) = decompose(given, 4, method), decompose(M.astype(float), 4, method)
        assert np.array_equal(S, T) and np.abs(Z - Y).max() < 1e-13 and Z.dtype == float


def test_the_input_is_left_alone():
    M = decayed(8, 9)
    before = M.copy()
    for method in METHODS:
        decompose(M, 3, method)
    assert np.array_equal(M, before)


@pytest.mark.parametrize("method", METHODS)
def test_where_a_column_counts_as_independent(method):
    M = np.zeros((3, 50))
    M[0] = 1
    M[:2, 1] = 0, 1.1 * 50 * EPS
    assert 1 in decompose(M, 2, method)[0]
    M[1, 1] = 0.9 * 50 * EPS
    with pytest.raises(ValueError, match="at most 1"):
        decompose(M, 2, method)


def test_a_method_that_fails_where_pivoting_does_not_is_refused_too(monkeypatch):
    monkeypatch.setattr(interpolative, "_greedy", lambda A, rank, tiny: np.zeros(rank, dtype=int))
    with pytest.raises(ValueError, match="rank is 2; it must be at most 1"):
        interpolative_decomposition(np.eye(3), 2, "greedy")


def test_a_sample_of_dependent_columns_is_widened():
    rng = np.random.default_rng(0)
    M = np.outer(rng.normal(size=30), rng.normal(size=100))
    M[:, :2] = rng.normal(size=(30, 2))
    for seed in range(5):
        assert {0, 1} < set(interpolative_decomposition(M, 3, "sample", seed=seed, oversample=0)[0].tolist())


def test_a_sample_is_widened_by_doubling():
    order = np.random.default_rng(0).permutation(100)
    M = np.random.default_rng(1).normal(size=(30, 100))
    M[:, order[:3]] = M[:, :1]
    S = interpolative_decomposition(M, 3, "sample", seed=0, oversample=0)[0]
    assert set(S.tolist()) < set(order[:6].tolist())


def test_random_methods_are_pivoting_on_what_they_draw():
    M = np.random.default_rng(0).normal(size=(40, 30))
    every = interpolative_decomposition(M, 5, "sample", seed=0, oversample=30)[0]
    assert np.array_equal(every, interpolative_decomposition(M, 5)[0])
    sketch = np.random.default_rng(1).normal(size=(9, 40)) @ M
    S = interpolative_decomposition(M, 5, "sketch", seed=1, oversample=4)[0]
    assert np.array_equal(S, qr(sketch, pivoting=True)[2][:5])
    interpolative_decomposition(M, 5, "sketch", seed=1, oversample=10**12)


def test_greedy_makes_the_gram_matrix_anew_where_digits_run_out():
    """Each choice has the largest gain, by long double arithmetic along the same path."""
    for seed in range(10):
        M = np.random.default_rng(seed).normal(size=(12, 12)) * 10.0 ** -np.arange(12)[:, None]
        R = M.astype(np.longdouble)
        for j in interpolative_decomposition(M, 9, "greedy")[0]:
            gain = np.array([np.sum((r @ R) ** 2) / max(r @ r, 1e-99) for r in R.T]) * (np.sum(R**2, 0) > 1e-28)
            assert gain[j] > (1 - 1e-6) * gain.max()
            q = R[:, j] / np.sqrt(R[:, j] @ R[:, j])
            for _ in range(2):
                R = R - np.outer(q, q @ R)


def test_greedy_makes_the_gram_matrix_anew_though_only_some_run_out():
    """Six columns all but parallel lose 14 digits of their squares at the first step, six small ones none."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        M = 10 * rng.normal(size=(12, 12))
        M[:, :6] += 1e8 * rng.normal(size=(12, 1))
        assert interpolative_decomposition(M, 4, "greedy")[0].tolist() == slow_greedy(M, 4)


def test_greedy_passes_over_a_residual_that_is_rounding():
    """When one direction is left all gains tie, and the column must still be a real one."""
    for seed in range(50):
        M = np.random.default_rng(seed).normal(size=(3, 4))
        M[:, 2] *= 1e-9
        M[:, 3] *= 40 * EPS / np.linalg.norm(M[:, 3])
        assert len(interpolative_decomposition(M, 3, "greedy")[0]) == 3


def test_exchange_takes_the_volume_from_2_up():
    def kept(A, S):
        A = np.array(A, dtype=float)
        return sorted(interpolative._exchange(A, np.array(S))[0].tolist())

    assert kept([[1, 2]], [0]) == [0] and kept([[1, 2.05]], [0]) == [1] and kept([[1, 1.95]], [0]) == [0]
    assert kept([[1, 0], [0, 2.05]], [0]) == [1] and kept([[1, 0], [0, 1.95]], [0]) == [0]
    assert kept([[1, -2.05]], [0]) == [1] and kept([[1, -1.95]], [0]) == [0]
    assert kept([[1, 0], [0, -2.05]], [0]) == [1] and kept([[1, 0], [0, -1.95]], [0]) == [0]
    assert kept(np.diag([1, 1, 2.05]), [0, 1]) == [1, 2] and kept(np.diag([1, 1, 1.95]), [0, 1]) == [0, 1]
    assert kept([[1, 10, 0], [0, 1, 0], [0, 0, 1]], [0, 1]) == [1, 2]


def test_exchange_ends_where_rounding_claims_growth():
    K = kahan(31, 0.9)
    K = np.hstack((K, K)) + 1e-16 * np.random.default_rng(2).normal(size=(31, 62))
    assert len(interpolative_decomposition(K, 31, "strong")[0]) == 31


def test_best_sees_small_residuals_and_its_limit(monkeypatch):
    M = decayed(8, 8, 1e-3)
    least = min(error(M, S) for S in combinations(range(8), 3))
    assert error(M, decompose(M, 3, "best")[0]) <= 1.01 * least
    assert 2 in decompose([[1, 1, 0], [0, 0, 1e-10]], 2, "best")[0]
    assert decompose(np.eye(3), 1, "best")[0] == [0]
    monkeypatch.setattr(interpolative, "SUBSETS", 6)
    decompose(np.eye(4), 2, "best")
    monkeypatch.setattr(interpolative, "SUBSETS", 5)
    with pytest.raises(ValueError, match="6 subsets of 4 columns, over 5"):
        decompose(np.eye(4), 2, "best")


def test_numpy_integers_do_not_wrap_round():
    M = decayed(300, 300, 0.99)
    S, _ = interpolative_decomposition(M, np.uint8(250), "sample", seed=np.int64(3), oversample=np.uint8(255))
    assert np.array_equal(S, interpolative_decomposition(M, 250, "sample", seed=3, oversample=255)[0])


class Lazy:
    def __array__(self, *args, **kwargs):
        raise RuntimeError("not now")


M = decayed(5, 6)
BAD = {
    "rank is 0; it must be from 1 to 5": dict(rank=0),
    "rank is -1;": dict(rank=-1),
    "rank is 6; it must be from 1 to 5": dict(rank=6),
    "rank is 2.0; it must be an integer": dict(rank=2.0),
    "rank is True": dict(rank=True),
    r"M has shape \(6,\)": dict(M=M[0]),
    r"M has shape \(1, 5, 6\)": dict(M=M[None]),
    r"M has shape \(0, 6\)": dict(M=M[:0]),
    r"M has shape \(5, 0\)": dict(M=M[:, :0]),
    "M holds NaN or infinity": dict(M=np.where(M[2, 3] == M, np.nan, M)),
    "M holds NaN or infinity; it": dict(M=np.where(M[0, 0] == M, np.inf, abs(M))),
    "M holds NaN or inf": dict(M=np.where(M[0, 0] == M, -np.inf, M)),
    "M is ndarray of complex128": dict(M=M + 0j),
    "M is ndarray of bool": dict(M=M > 0),
    "M is a masked array": dict(M=np.ma.masked_greater(M, 0)),
    "M cannot be read as an array: not now": dict(M=Lazy()),
    "M is csr_array; it must be a dense array, such as M.toarray": dict(M=sparse.csr_array(M)),
    "M is coo_matrix; it must be a dense array, such as M.toarray": dict(M=sparse.coo_matrix(M)),
    "M is MatrixLinearOperator; it must be a dense array$": dict(M=aslinearoperator(M)),
    "M is list of object; it must hold real numbers": dict(M=[[None, 1], [2, 3]]),
    r"M has shape \(\); it must be": dict(M=7),
    "M is NoneType; it must be a dense array$": dict(M=None),
    "rank is None and tol is None; one of them": dict(rank=None),
    "rank is 2 and tol is 0.1; one of them": dict(tol=0.1),
    "tol is True; it must be a number": dict(rank=None, tol=True),
    "tol is '1e-3'; it must be a number": dict(rank=None, tol="1e-3"),
    "tol is 0; it must be above 0 and below 1": dict(rank=None, tol=0),
    "tol is 1.0; it must be above 0 and below 1": dict(rank=None, tol=1.0),
    "tol is nan; it must be above 0": dict(rank=None, tol=np.nan),
    "method is 'greedy'; with tol it must be 'pivoted'": dict(rank=None, tol=0.1, method="greedy"),
    "M is list of": dict(M=[["a", "b"], ["c", "d"]]),
    "M cannot be read": dict(M=[[1, 2], [3]]),
    "method is 'qr'; it must be one of pivoted,": dict(method="qr"),
    "method is None": dict(method=None),
    "method is array": dict(method=np.array(["qr", "best"])),
    "oversample is -1; it must be ≥ 0": dict(oversample=-1),
    "oversample is 0.5": dict(oversample=0.5),
    "seed is -3": dict(seed=-3),
    "seed is 'a'; it must be an integer or a numpy Generator": dict(seed="a"),
    "'best' would try 137,846,528,820 subsets of 40": dict(M=decayed(40, 40), rank=20, method="best"),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises((TypeError, ValueError), match=message):
        interpolative_decomposition(**({"M": M, "rank": 2} | BAD[message]))
