"""helpers.simplex against entmax, scipy and its own laws; nasty input."""

import itertools
from fractions import Fraction

import entmax as package
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers.simplex import (
    _few,
    entmax,
    entmax_loss,
    perturb_max,
    softmax,
    sparse_softmax,
    sparse_softmax_loss,
    sparsemax,
    stopgrad_loss,
    taylor_softmax,
)

INF, NAN, EPS = float("inf"), float("nan"), 2.0**-52
ALPHAS = (1, 1 + 1e-9, 1.1, 1.5, 1.7, 2, 2.5, 4)
SHIFT = {f"entmax {a}": (lambda x, a=a, **kw: entmax(x, a, **kw)) for a in ALPHAS}
SHIFT |= {"softmax": softmax, "sparsemax": sparsemax, "sparse": lambda x, **kw: sparse_softmax(x, 2, **kw)}
SHIFT |= {f"perturb {n}": (lambda x, n=n, **kw: perturb_max(x, n, **kw)) for n in ("gumbel", "gaussian", "logistic")}
MAPS = SHIFT | {"taylor 2": taylor_softmax, "taylor 6": lambda x, **kw: taylor_softmax(x, 6, **kw)}
LOSSES = {f"entmax_loss {a}": (lambda x, t, a=a, **kw: entmax_loss(x, t, a, **kw)) for a in ALPHAS}
LOSSES |= {"sparse": lambda x, t, **kw: sparse_softmax_loss(x, t, 2, **kw)}
JOINING = (1 + 1e-13, 1 + 1e-9, 1 + 1e-6, 1.001, 1.1, 1.5, 1.9, 2, 2.1, 2.5, 4, 7, 10, 50, 101)
each_map = pytest.mark.parametrize("f", [pytest.param(f, id=name) for name, f in MAPS.items()])
each_shift = pytest.mark.parametrize("f", [pytest.param(f, id=name) for name, f in SHIFT.items()])


def normal(seed, *shape, scale=1.0):
    return torch.from_numpy(scale * np.random.default_rng(seed).normal(size=shape))


def grad(f, x, v=None):
    x = x.clone().requires_grad_()
    y = f(x)
    return torch.autograd.grad(y, x, torch.ones_like(y) if v is None else v)[0]


def close(a, b, tol=1e-12):
    return a.shape == b.shape and bool(((a - b).abs() <= tol).all())


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**16), st.sampled_from([1, 2, 5, 64, 65, 200]), st.sampled_from([0.01, 1.0, 5.0, 100.0]))
def test_equals_the_package(seed, n, scale):
    x, v = normal(seed, 3, n, scale=scale), normal(seed + 1, 3, n)
    x = x.round(decimals=1) if seed % 3 == 0 else x  # ties
    t = torch.from_numpy(np.random.default_rng(seed).integers(0, n, 3))
    pairs = [(sparsemax, package.sparsemax), (entmax, package.entmax15)]
    pairs += [(lambda x, a=a: entmax(x, a), lambda x, a=a: package.entmax_bisect(x, a, n_iter=100)) for a in (1.3, 1.8)]
    for ours, theirs in pairs:
        assert close(ours(x), theirs(x), 1e-12)
    for ours, theirs in (
        pairs[:2] if seed % 3 else ()
    ):  # not where an entry may be at the threshold: the slope jumps there
        assert close(grad(ours, x, v), grad(theirs, x, v), 1e-10)
    losses = [(2, package.sparsemax_loss), (1.5, package.entmax15_loss)]
    losses += [(a, lambda x, t, a=a: package.entmax_bisect_loss(x, t, a, 100)) for a in (1.3, 1.8)]
    for a, theirs in losses:
        assert close(entmax_loss(x, t, a), theirs(x, t), 1e-12 * max(1, scale))
        assert close(grad(lambda x, a=a: entmax_loss(x, t, a), x), grad(lambda x, f=theirs: f(x, t), x), 1e-11)


def test_alpha_above_two():
    for a in (2.5, 3, 4):
        x = normal(1, 50, 9)
        assert close(entmax(x, a), package.entmax_bisect(x, a, n_iter=100), 1e-6)  # as exact as it is
        assert close(entmax(x, a).sum(-1), torch.ones(50).double())


@pytest.mark.parametrize("alpha", JOINING)
def test_p_comes_back_from_its_logits(alpha):
    """The other way there is nothing to solve: x_i = p_i^β / β + τ. The last entry joins, from 1e-16 on."""
    b, v = alpha - 1, 10 ** np.random.default_rng(0).uniform(-16, -0.5, 2000)
    for m in (1, 2):  # others, alike: where v = 0, an error ε of x becomes m^β ε in p
        p = np.stack([*[(1 - v) / m] * m, v], -1)
        x = np.expm1(b * np.log(p / p[:, :1])) * p[:, :1] ** b / b
        if m**b < 1000:
            assert np.abs(entmax(x, alpha) - p).max() < 2 * EPS * max(m**b, 1)
        if alpha >= 4 and m == 1:  # dp_1 = (dx_1 − dx_2) / (p_1^(β−1) + p_2^(β−1))
            want = 1 / (p ** (b - 1)).sum(-1)
            for i, sign in ((0, 1), (1, -1)):  # by the last entry too, whose slope is large
                got = grad(lambda x, i=i: entmax(x, alpha)[:, i], torch.from_numpy(x))
                assert close(got, torch.from_numpy(sign * np.stack([want, -want], -1)), 64 * EPS * max(want))
    assert close(entmax(torch.zeros(2), alpha), torch.full((2,), 0.5), 1e-7)


def test_equals_scipy_and_goes_to_softmax():
    x = normal(0, 4, 30, scale=5)
    want = torch.from_numpy(scipy.special.softmax(x.numpy(), -1))
    assert close(softmax(x), want) and close(entmax(x, 1), want) and close(perturb_max(x), want)
    assert close(sparse_softmax(x, 30), want)
    for b in (1e-3, 1e-6, 1e-9, 1e-13):
        assert close(entmax(x, 1 + b), want, 5 * b + 1e-14)
    t = torch.tensor([0, 1, 2, 3])
    cross_entropy = torch.nn.functional.cross_entropy(x, t, reduction="none")
    assert close(entmax_loss(x, t, 1), cross_entropy) and close(sparse_softmax_loss(x, t, 30), cross_entropy)
    assert close(entmax_loss(x, t, 1 + 1e-12), cross_entropy, 1e-9)


@each_map
def test_gradients(f):
    x = normal(3, 3, 7)
    assert torch.autograd.gradcheck(f, (x.requires_grad_(),))
    assert torch.autograd.gradcheck(lambda x: f(x, dim=0), (x,))


@pytest.mark.parametrize("f", [pytest.param(f, id=n) for n, f in LOSSES.items()])
def test_losses(f):
    x, t = normal(4, 6, 5, scale=2), torch.tensor([0, 1, 2, 3, 4, 0])
    assert torch.autograd.gradcheck(lambda x: f(x, t), (x.requires_grad_(),))
    assert torch.autograd.gradcheck(lambda x: f(x, t[:5], dim=0), (x,))
    assert (f(x, t) >= 0).all()
    assert isinstance(f(x.detach().numpy(), t.numpy()), np.ndarray)
    deep, u = normal(6, 2, 5, 4), torch.randint(0, 5, (2, 4), generator=torch.manual_seed(0))
    assert close(f(deep, u, dim=1), f(deep.movedim(1, -1), u))
    assert close(f(deep.movedim(1, 0), u, dim=0), f(deep, u, dim=1))
    assert close(f(deep, u.numpy().astype(np.uint16)[::-1].copy(), dim=1), f(deep, u.flip(0), dim=1))
    y = x.detach() + normal(5, 6, 5)
    assert (f((x + y) / 2, t) <= (f(x, t) + f(y, t)) / 2 + 1e-14).all()  # convex


def test_loss_gradient_is_p_minus_onehot():
    x, t = normal(6, 4, 70), torch.tensor([3, 0, 69, 7])
    onehot = torch.nn.functional.one_hot(t, 70)
    for a in ALPHAS:
        assert torch.equal(grad(lambda x, a=a: entmax_loss(x, t, a), x), entmax(x, a) - onehot) or a == 1
    for name, f in MAPS.items():
        assert close(grad(lambda x, f=f: stopgrad_loss(x, t, f), x), f(x) - onehot), name
    with pytest.raises(RuntimeError):
        y = x.clone().requires_grad_()
        g = torch.autograd.grad(entmax(y).square().sum(), y, create_graph=True)[0]
        torch.autograd.grad(g.sum(), y)


@pytest.mark.parametrize("k", [1, 2, 4, 5])
def test_sparse_softmax_loss_is_a_maximum_over_sets(k):
    """Finite for every target, convex and continuous: the largest log Σ_A e^x over sets A of k entries, less x_t."""
    x, t = normal(4, 40, 5, scale=2), torch.from_numpy(np.random.default_rng(5).integers(0, 5, 40))
    sets = torch.tensor(list(itertools.combinations(range(5), k)))
    want = x[:, sets].logsumexp(-1).amax(-1) - x.gather(-1, t[:, None])[:, 0]
    assert close(sparse_softmax_loss(x, t, k), want, 16 * EPS)
    onehot = torch.nn.functional.one_hot(t, 5)
    assert close(grad(lambda x: sparse_softmax_loss(x, t, k), x), sparse_softmax(x, k) - onehot, 4 * EPS)
    below, above = (sparse_softmax_loss(torch.tensor([2, 1, d, 0]).double(), 2, 2) for d in (1 - 1e-9, 1 + 1e-9))
    assert abs(below - above) < 3e-9  # as the target joins the two largest


@pytest.mark.parametrize("alpha", [1, 1.2, 1.5, 2, 3])
def test_no_loss_is_negative_in_float32(alpha):
    x = normal(0, 20_000, 10, scale=0.3).float()
    assert entmax_loss(x, x.argmax(-1), alpha).min() >= 0


def test_sparsemax_loss_is_zero_from_a_lead_of_one():
    for lead, zero in ((1.0, True), (0.99, False)):
        assert (entmax_loss(torch.tensor([lead, 0, 0]), 0, 2) == 0) == zero
    x = normal(2, 8)
    p = sparsemax(x)
    lam, on = (x - p)[p > 0][0], p > 0
    assert close(entmax_loss(x, 3, 2), 0.5 - x[3] + (x[on] ** 2 - lam**2).sum() / 2)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**16), st.sampled_from([1, 3, 64, 65, 300]), st.sampled_from([0.1, 3.0, 1e4]))
def test_optimality(seed, n, scale):
    """KKT of max ⟨p, x⟩ − Ω(p): x_i − p_i^(α−1)/(α−1) is the same on the support, and x_i is no more outside."""
    x = normal(seed, n, scale=scale)
    for a in (1.2, 1.5, 2):
        p = entmax(x, a)
        assert abs(p.sum() - 1) < 1e-12 and (p >= 0).all()
        level = x - p ** (a - 1) / (a - 1)
        tau = level[p > 1e-5].mean()
        assert (level[p > 1e-5] - tau).abs().max() <= 1e-9 * max(1, scale)
        assert (x[p == 0] <= tau + 1e-9 * max(1, scale)).all()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-8, 8), min_size=2, max_size=90), st.integers(-64, 64))
def test_shift_order_ties_permutation(values, shift):
    x = torch.tensor(values, dtype=torch.float64) / 4
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(values)))
    for name, f in SHIFT.items():
        p = f(x)
        assert abs(p.sum() - 1) < 1e-10, name
        assert close(f(x + shift / 4), p, 1e-12), name
        i = x.argsort()
        assert ((p[i].diff() >= -1e-12) | (x[i].diff() == 0)).all(), name
        if name != "sparse":
            assert (p[i].diff()[x[i].diff() == 0].abs() < 1e-12).all(), name
            assert close(f(x[order]), p[order], 1e-12), name


def test_boundary_ties():
    for m in (1, 4, 61, 500):  # Σ (z − λ)² = 1 with m entries exactly at the threshold
        p = entmax(torch.tensor([0.0] * 4 + [-1.0] * m, dtype=torch.float64))
        assert close(p[:4], torch.full((4,), 0.25).double()) and p[4:].max() < 1e-15
        p = sparsemax(torch.tensor([0.0] * 4 + [-0.25] * m, dtype=torch.float64))
        assert close(p[:4], torch.full((4,), 0.25).double()) and p[4:].max() < 1e-15
    assert sparse_softmax(torch.tensor([1.0, 2, 1, 1]), 2).gt(0).tolist() == [True, True, False, False]
    assert sparse_softmax(torch.ones(40), 3).gt(0).nonzero().flatten().tolist() == [0, 1, 2]
    kept = [grad(lambda x, t=t: sparse_softmax_loss(x, t, 3), torch.ones(40)).gt(0).sum() for t in (0, 2, 3, 39)]
    assert kept == [2, 2, 3, 3]


def test_gradient_at_the_threshold_is_one_sided_but_consistent():
    x, v = normal(0, 3, 5).round(decimals=1)[2:], normal(1, 3, 5)[2:]  # (−0.6, 0, −2.3, −0.2, −1.2): λ = −0.6
    assert (
        abs(grad(package.sparsemax, x, v).sum()) > 0.1
    )  # it divides by a support of 3, but 2 entries of p are above 0
    assert abs(grad(sparsemax, x, v).sum()) < 1e-14


def test_taylor():
    assert close(taylor_softmax(torch.tensor([0.0, 1]).double()), torch.tensor([1, 2.5]).double() / 3.5)
    assert torch.equal(taylor_softmax(torch.zeros(4)), torch.full((4,), 0.25))
    x = torch.linspace(-9, 9, 37).double()
    for k in (2, 4, 6, 10):
        f = sum(x**m / scipy.special.factorial(m) for m in range(k + 1))
        assert close(taylor_softmax(x, k), f / f.sum(), 1e-13)
        assert not close(taylor_softmax(x + 1, k), taylor_softmax(x, k), 1e-3)
    assert (taylor_softmax(torch.linspace(-30, 0, 99), 40) > 0).all()  # Horner in float32 gives negative values here
    assert close(taylor_softmax(torch.tensor([-1e200, 0], dtype=torch.float64)), torch.tensor([1.0, 0]).double())


def test_perturb_max():
    for d in (0.0, 1.0, 6.0, 20.0):
        p = perturb_max(np.array([0.0, -d]), "gaussian")
        assert abs(p[1] / stats.norm.cdf(-d / 2**0.5) - 1) < 1e-11  # relative, deep into the tail too
    x = np.array([0.3, -1.0, 0.0, 2.5])
    for noise in (stats.logistic(), stats.norm(scale=0.3), stats.gumbel_l(), stats.hypsecant()):
        f = lambda z, i, d=noise: d.pdf(z - x[i]) * np.prod([d.cdf(z - x[j]) for j in range(4) if j != i])
        want = [
            scipy.integrate.quad(f, -40, 45, args=(i,), epsabs=1e-13, limit=400, points=[0, 2])[0] for i in range(4)
        ]
        assert np.abs(perturb_max(x, noise) - want).max() < 1e-11
    y = torch.from_numpy(x).requires_grad_()
    assert torch.autograd.gradcheck(lambda y: perturb_max(y, stats.gumbel_l(scale=2)), (y,))
    n1000 = normal(0, 1000)
    assert abs(perturb_max(n1000, "gaussian").sum() - 1) < 1e-12 and close(perturb_max(n1000), softmax(n1000), 1e-13)
    for noise in (stats.norm, 3.0, None, stats.triang(0.3)):  # the last has a kink that its class does not tell
        with pytest.raises(ValueError, match="noise is"):
            perturb_max(x, noise)


ROUGH = [stats.uniform(), stats.expon(), stats.laplace(scale=2), stats.cauchy(), stats.t(3), stats.beta(2, 3)]


@pytest.mark.parametrize("noise", ROUGH, ids=lambda d: d.dist.name)
def test_perturb_max_with_kinks_and_heavy_tails(noise):
    gap = {"uniform": lambda d: 1 - (1 - d) ** 2 / 2, "expon": lambda d: 1 - np.exp(-d) / 2}
    gap["cauchy"] = lambda d: 0.5 + np.arctan(d / 2) / np.pi  # a difference of two Cauchy variables, of scale 2
    for d in (0.0, 0.3, 0.9):
        p = perturb_max(np.array([d, 0.0]), noise)
        if noise.dist.name in gap:
            assert abs(p[0] - gap[noise.dist.name](d)) < 1e-11
    x = np.array([[0.3, -0.2, 0.0, 0.25, -np.inf], [5.0, -40.0, 0.0, 4.0, 1.0]])
    p = perturb_max(x, noise)
    assert np.abs(p.sum(-1) - 1).max() < 1e-10 and p[0, 4] == 0
    draws = np.random.default_rng(0).choice(noise.rvs(10**6, random_state=1), (10**6, 5))
    seen = np.bincount((x[0] + draws).argmax(-1), minlength=5) / 10**6
    assert np.abs(seen - p[0]).max() < 0.004  # 5 standard errors of 10⁶ draws, and of the sample drawn from
    assert torch.autograd.gradcheck(lambda x: perturb_max(x, noise), (torch.from_numpy(x[1]).requires_grad_(),))


@each_map
def test_kind_dtype_axis_batch(f):
    x = normal(7, 3, 5, 4)
    want = f(x)
    assert close(f(x.movedim(-1, 0), dim=0), want.movedim(-1, 0)) and close(f(x.transpose(1, 2), dim=1).mT, want)
    assert close(f(x.flip(0)[::2]), want.flip(0)[::2]) and close(f(x[1, 2]), want[1, 2])
    got = f(x.numpy().astype(">f8")[::-1])
    assert isinstance(got, np.ndarray) and got.dtype == np.float64 and close(torch.from_numpy(got.copy()), want.flip(0))
    assert f(x.numpy().astype(np.float16)).dtype == np.float16
    tol = {torch.float32: 5e-3 if f is SHIFT["entmax 4"] else 1e-6, torch.float16: 5e-3, torch.bfloat16: 1e-2}
    for dtype in tol:
        y = x.to(dtype)
        got = f(y)
        assert got.dtype == dtype and close(got.double(), f(y.double()), tol[dtype])
        assert grad(f, y).dtype == dtype
    for shape in ((0, 3), (2, 0, 3)):
        assert f(torch.ones(shape)).shape == shape
    if f is not SHIFT["sparse"]:  # there k is 2
        assert close(f(x[..., :1]), torch.ones(3, 5, 1).double())


@each_map
def test_masks_and_size(f):
    x = normal(8, 4, 5)
    y = torch.cat([x, torch.full((4, 70), -INF).double()], -1)[:, torch.randperm(75, generator=torch.manual_seed(0))]
    assert torch.equal(f(y)[y == -INF], torch.zeros(280).double()) and close(
        f(y)[y > -INF], f(y[y > -INF].view(4, 5)).view(-1)
    )
    g = grad(f, y, normal(9, 4, 75))
    assert g.isfinite().all() and not g[y == -INF].any()
    for big in (1e9, 1e16, 1e300, 1e308):
        for n in (4, 80):
            z = torch.full((n,), -big, dtype=torch.float64)
            z[1:3] = big
            assert abs(f(z).sum() - 1) < 1e-12 and abs(f(z)[1] - f(z)[2]) < 1e-12
            if f in SHIFT.values():
                assert abs(f(z)[1] - 0.5) < 1e-12
    z = torch.arange(4).double() * 2 + 1e16
    assert abs(f(z).sum() - 1) < 1e-12


@each_map
@pytest.mark.parametrize(
    ("x", "dim", "error", "says"),
    [
        ([1.0, 2.0], -1, TypeError, "x is list;"),
        (1.0, -1, TypeError, "x is float"),
        (torch.arange(3), -1, TypeError, "x is Tensor torch.int64"),
        (np.arange(3), -1, TypeError, "x is ndarray int64"),
        (torch.tensor([True, False]), -1, TypeError, "bool"),
        (torch.ones(2, dtype=torch.complex64), -1, TypeError, "complex"),
        (np.ones(2, np.longdouble), -1, TypeError, "x is ndarray"),
        (torch.ones(3).to_sparse(), -1, TypeError, "dense"),
        (torch.tensor(1.0), -1, ValueError, "dim is -1"),
        (torch.ones(2, 0), -1, ValueError, r"x.shape\[dim\] is 0"),
        (torch.ones(2, 3), 2, ValueError, "dim is 2"),
        (torch.ones(2, 3), -3, ValueError, "dim is -3"),
        (torch.ones(2, 3), 1.0, TypeError, "dim is 1.0"),
        (torch.ones(2, 3), True, TypeError, "dim is True"),
        (torch.tensor([[1.0, NAN], [0, 0]]), -1, ValueError, "NaN"),
        (torch.tensor([[1.0, INF], [0, 0]]), -1, ValueError, r"\+inf"),
        (torch.tensor([[-INF, -INF], [0, 0]]), -1, ValueError, "wholly −inf"),
        (np.array([NAN, 1.0]), -1, ValueError, "NaN"),
    ],
)
def test_bad_x_is_refused(f, x, dim, error, says):
    with pytest.raises(error, match=says):
        f(x, dim=dim)


X = torch.tensor([[0.0, 1.0, -INF], [2.0, 0.0, 1.0]])


@pytest.mark.parametrize(
    ("f", "error", "says"),
    [
        (lambda: taylor_softmax(X, 3), ValueError, "degree is 3"),
        (lambda: taylor_softmax(X, 0), ValueError, "degree is 0"),
        (lambda: taylor_softmax(X, 102), ValueError, "degree is 102"),
        (lambda: sparse_softmax_loss(X, [0, 1], 0), ValueError, "k is 0"),
        (lambda: sparse_softmax_loss(X, [0, 1], 4), ValueError, "k is 4"),
        (lambda: entmax(X, 101.5), ValueError, "alpha is 101.5"),
        (lambda: entmax_loss(X, [0, 1], "2"), TypeError, "alpha is '2'"),
        (lambda: entmax_loss(X, [True, True]), TypeError, "target is list of bool"),
        (lambda: entmax_loss(X, [[0], [1, 2]]), TypeError, "target cannot be read"),
        (lambda: entmax_loss(X, [2**70, 0]), TypeError, "target is list of object"),
        (lambda: entmax_loss(X, np.ma.masked_array([0, 1], [0, 1])), TypeError, "target is MaskedArray"),
        (lambda: softmax(np.ma.masked_array([0.0, 1.0], [0, 1])), TypeError, "x is MaskedArray"),
        (lambda: perturb_max(X, stats.norm(loc=[0, 1])), ValueError, "noise is"),
        (lambda: perturb_max(X, stats.norm(scale=-1)), ValueError, "noise is"),
        (lambda: perturb_max(X, stats.gamma(0.5)), ValueError, "pole"),
        (lambda: taylor_softmax(X, 2.0), TypeError, "degree is 2.0"),
        (lambda: sparse_softmax(X, 0), ValueError, "k is 0"),
        (lambda: sparse_softmax(X, 4), ValueError, "k is 4"),
        (lambda: sparse_softmax(X, True), TypeError, "k is True"),
        (lambda: entmax(X, 0.9), ValueError, "alpha is 0.9"),
        (lambda: entmax(X, NAN), ValueError, "alpha is nan"),
        (lambda: entmax(X, INF), ValueError, "alpha is inf"),
        (lambda: entmax(X, "2"), TypeError, "alpha is '2'"),
        (lambda: entmax(X, True), TypeError, "alpha is True"),
        (lambda: perturb_max(X, "cauchy"), ValueError, "noise is 'cauchy'"),
        (lambda: perturb_max(X, stats.norm), ValueError, "noise is"),
        (lambda: perturb_max(X, stats.poisson(2)), ValueError, "noise is"),
        (lambda: entmax_loss(X, torch.tensor([0, 3])), ValueError, "target is"),
        (lambda: entmax_loss(X, torch.tensor([-100, 0])), ValueError, "target is"),
        (lambda: entmax_loss(X, torch.tensor([2, 0])), ValueError, "−inf"),
        (lambda: entmax_loss(X, torch.tensor([0, 0, 0])), ValueError, "target is"),
        (lambda: entmax_loss(X, torch.tensor([0.0, 1.0])), TypeError, "target is Tensor of float32"),
        (lambda: sparse_softmax_loss(X, torch.tensor([0, 3]), 2), ValueError, "target is"),
        (lambda: stopgrad_loss(X, torch.tensor([0, 3]), sparsemax), ValueError, "target is"),
    ],
)
def test_bad_parameters_are_refused(f, error, says):
    with pytest.raises(error, match=says):
        f()


def test_what_a_sum_of_one_hides():
    """Errors of single entries that cancel in Σ p: each of these inputs once passed with a wrong p."""
    x = np.array([0, -0.015051134742602869])
    assert abs(perturb_max(x, stats.expon())[1] - np.exp(x[1]) / 2) < 1e-10
    for x, noise in (([0, -0.35, -1.6], stats.triang(0.5)), ([0, -0.024428531710627553], stats.laplace())):
        draws = noise.rvs((2 * 10**6, len(x)), random_state=0) + np.array(x)
        seen = np.bincount(draws.argmax(-1), minlength=len(x)) / len(draws)
        assert np.abs(perturb_max(np.array(x), noise) - seen).max() < 0.002
    with pytest.raises(ValueError, match="triang"):
        perturb_max(np.array([0, -0.03270764715018264]), stats.triang(0.3))


def test_where_two_rules_agree_and_both_are_wrong():
    x = np.array([0, -0.0327])
    for noise in (stats.levy(), stats.lognorm(3)):  # tails so long that both miss the middle: Σ p is 1e-16, 1e-8
        with pytest.raises(ValueError, match="rough"):
            perturb_max(x, noise)
    assert abs(perturb_max(x, stats.pareto(1)).sum() - 1) < 1e-10
    with pytest.raises(ValueError, match="pole"):  # at one end of the support alone
        perturb_max(x, stats.gamma(0.99))


def test_kinds_of_parameters_and_modes():
    x, v = normal(0, 100), normal(1, 100)
    for alpha in (np.int64(2), np.uint8(3), np.float32(1.5), Fraction(3, 2)):
        assert close(entmax(x, alpha), entmax(x, float(alpha)), 0)
        assert close(entmax_loss(x, 1, alpha), entmax_loss(x, 1, float(alpha)), 0)
    with pytest.raises(RuntimeError):  # no forward mode, and no silent zero
        torch.func.jvp(entmax, (x,), (v,))
    assert torch.isfinite(taylor_softmax(torch.tensor([0.0, 1, -1]), 100)).all()
    assert abs(sparsemax(torch.zeros(10**6)).sum() - 1) < 1e-4
    stopgrad_loss(x.clone().requires_grad_(), 0, lambda y: sparsemax(y) if not y.requires_grad else None)
    short = perturb_max(np.array([0.3, -0.2]), stats.laplace())
    assert np.abs(perturb_max(np.array([0.3, -0.2, -INF]), stats.laplace())[:2] - short).max() < 1e-13


def test_masked_losses():
    for f in (*LOSSES.values(), lambda x, t: stopgrad_loss(x, t, entmax)):
        y = X.double()
        assert f(y, torch.tensor([0, 1])).isfinite().all()
        g = grad(lambda x, f=f: f(x, torch.tensor([0, 1])), y)
        assert g.isfinite().all() and g[0, 2] == 0
        assert close(f(y, torch.tensor([0, 1]))[:1], f(y[:1, :2], torch.tensor([0])))
    assert entmax_loss(X[:0], torch.zeros(0, dtype=torch.long)).shape == (0,)


@pytest.mark.parametrize("alpha", [1.2, 1.5, 1.7, 2, 3])
def test_few_of_many(alpha):
    """Entries 1/β below the largest change nothing, and rows of 512 and more are solved without them."""
    x, v, t = normal(0, 6, 100), normal(1, 6, 2103), torch.tensor([0, 3, 99, 5, 7, 8])
    x -= 3
    x[0] = -3  # all have a share
    x[1, 7], x[2, 7], x[3, 8], v[:, ::3] = -INF, 0, 0, 0
    low = x.amax(-1, True) - 1 / (alpha - 1) - normal(2, 6, 2003).abs()
    order = torch.randperm(2103, generator=torch.manual_seed(0))
    order = torch.tensor([7, *order[(order != 7) & (order != 8)], 8])  # with a largest entry at either end
    wide, at = torch.cat([x, low], -1)[:, order], order.argsort()
    for y in (wide, wide.T.contiguous().T):
        p, g = entmax(y, alpha)[:, at], grad(lambda y: entmax(y, alpha), y, v)[:, at]
        assert close(p[:, :100], entmax(x, alpha), 16 * EPS) and not p[:, 100:].any()
        want = grad(lambda x: entmax(x, alpha), x, v[:, at[:100]])
        assert close(g[:, :100], want, 64 * EPS * float(want.abs().max())) and not g[:, 100:].any()
        assert close(entmax_loss(y, at[t], alpha), entmax_loss(x, t, alpha), 64 * EPS)
        g = grad(lambda y: entmax_loss(y, at[t], alpha), y)
        assert close(g[:, at[:100]], entmax(x, alpha) - torch.nn.functional.one_hot(t, 100), 16 * EPS)
    z = (8 * wide).round().float() / 8  # on the grid of the floats near 2²⁰: the shift is exact, the threshold is not
    assert close(entmax(z + 2**20, alpha), entmax(z, alpha), 1e-6)


def test_float32_sums_to_one_where_running_sums_do_not():
    x = torch.full((1, 200_000), -2.02)
    x[0, 0] = 0
    assert package.entmax15(x, -1, None).sum() > 1.01  # its variance is a difference of running sums
    assert entmax(x).sum() == 1 and sparsemax(x).sum() == 1
    for n in (60, 5000):
        x = normal(0, 30, n).float()
        for a in (1.2, 1.5, 2):
            assert (entmax(x, a).sum(-1) - 1).abs().max() < 2e-6
            assert (entmax(x, a).double() - entmax(x.double(), a)).abs().max() < 1e-6


def test_only_the_few_that_can_have_a_share_are_solved_for():
    """Which way is taken moves no result, but the time: see benchmarks/simplex.py."""
    wide, narrow = normal(0, 4, 2000), normal(0, 4, 2000, scale=0.01)
    pack, unpack = _few(wide, 2)
    few = pack(wide, -INF)
    assert few.shape[-1] < 200 and _few(narrow, 2)[0](narrow).shape == narrow.shape
    kept = unpack(few)
    assert kept.shape == wide.shape and torch.equal(kept[kept != 0], wide[kept != 0])
    assert (kept != 0)[sparsemax(wide) > 0].all()
