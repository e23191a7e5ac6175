"""Maps from R^n to the simplex, and losses whose gradient is p − onehot(target).

x is a torch tensor or numpy array of floats, n ≥ 1 of them along `dim`; a map gives back its kind, shape and dtype, a
loss drops `dim`, and target, integers from 0 to n − 1, has that shape. 16 bits are computed in 32. −inf marks an absent
entry: p and gradient 0. A second derivative is exact or raises.

Raises TypeError for another kind of x or parameter; ValueError for NaN, +inf, an empty or wholly −inf row, and a
parameter or target out of range or on −inf. The message names the argument.

After Martins & Astudillo (2016), Peters et al. (2019), Blondel et al. (2020) and Su (2024).
"""

import functools
import numbers

import numpy as np
from scipy import stats

try:
    import torch
except ImportError as error:
    raise ImportError("helpers.simplex needs PyTorch: pip install torch") from error


def _rowwise(f):
    """Checks x and gives it to f with `dim` last, in at least float32."""

    @functools.wraps(f)
    def wrapper(x, *args, **kwargs):
        if isinstance(x, np.ndarray) and not np.ma.isMaskedArray(x) and x.dtype.kind == "f" and x.itemsize <= 8:
            return wrapper(torch.from_numpy(np.array(x, x.dtype.newbyteorder("="))), *args, **kwargs).numpy()
        if not (isinstance(x, torch.Tensor) and x.is_floating_point() and x.itemsize > 1 and x.layout == torch.strided):
            kind = f"{type(x).__name__} {getattr(x, 'dtype', '')}".strip()
            raise TypeError(f"x is {kind}; it must be a dense array of floats")
        dim = args[-1] if len(args) == f.__code__.co_argcount - 1 else kwargs.get("dim", -1)  # the last parameter
        _check("dim", dim, numbers.Integral, -x.ndim, x.ndim - 1)
        _check("x.shape[dim]", x.shape[dim], numbers.Integral, 1, np.inf)
        s = (x if dim == -1 else x.movedim(dim, -1)).to(torch.promote_types(x.dtype, torch.float32))
        m = s.detach().amax(-1, True)
        if (m - m).sum().item() != 0:  # faster than isfinite
            raise ValueError("x holds NaN or +inf, or a row wholly −inf; every row must have a finite maximum")
        y = f(s, *args, **kwargs).to(x.dtype)
        return y if dim == -1 or y.ndim < x.ndim else y.movedim(-1, dim)

    return wrapper


def _check(name, value, kind, low, high, even=False):
    if isinstance(value, bool) or not isinstance(value, kind):
        raise TypeError(f"{name} is {value!r}; it must be a number, {kind.__name__}")
    if not low <= value <= high or (even and value % 2):
        raise ValueError(f"{name} is {value}; it must lie between {low} and {high}{' and be even' * even}")


@_rowwise
def softmax(x, dim=-1):
    """p_i = e^(x_i) / Σ e^(x_j)."""
    return x.softmax(-1)


@_rowwise
def taylor_softmax(x, degree=2, dim=-1):
    """p_i = f(x_i) / Σ f(x_j), f the Taylor polynomial of e^x of even degree, 2 to 100; not shift invariant."""
    _check("degree", degree, numbers.Integral, 2, 100, even=True)  # an odd f has a zero
    absent, k = x.isneginf(), int(degree)
    x = x.masked_fill(absent, 0).double()  # powers of the nodes overflow float32
    c = x.detach().abs().amax(-1, True).clamp(min=1)  # cancels in the ratio; keeps the powers finite
    # k! f(x) = ∫₀^∞ (x + u)^k e^−u du. Gauss–Laguerre is exact for it and, unlike Horner, adds positive terms only.
    nodes, weights = np.polynomial.laguerre.laggauss(k // 2 + 1)
    p = sum(w * (x / c + u / c) ** k for u, w in zip(nodes, weights, strict=True)).masked_fill(absent, 0)
    return p / p.sum(-1, True)


@_rowwise
def sparse_softmax(x, k, dim=-1):
    """Softmax of the k largest entries, 0 elsewhere; among equals at the boundary the first are kept."""
    return _keep_largest(x, k).softmax(-1)


def sparsemax(x, dim=-1):
    """The point of the simplex nearest to x: p = relu(x − λ)."""
    return entmax(x, 2, dim)


@_rowwise
def entmax(x, alpha=1.5, dim=-1):
    """p = relu(βx − λ)^(1/β), β = alpha − 1 from 0 to 100: softmax for alpha = 1, sparsemax for 2.

    p is right to a few roundings where it is well conditioned, also next to alpha = 1 and where an entry joins. Where
    the support changes, the gradient is that of the entries with p > 0."""
    alpha = _alpha(alpha)
    pack, unpack = _few(x.detach(), alpha)
    p, g, _ = _solve(pack(x.detach(), -np.inf), alpha)

    def pull(dp):  # J = diag(g) − g gᵀ / Σ g
        dp = pack(dp)
        if alpha > 2:  # J knows no constant: without it at the largest g, nothing large cancels
            dp = dp - dp.gather(-1, g.argmax(-1, True))
        v = g * dp
        return unpack(v.addcmul_(g, v.sum(-1, True) / g.sum(-1, True), value=-1))

    follow = x.requires_grad or torch.autograd.forward_ad.unpack_dual(x).tangent is not None
    return _Given.apply(x, unpack(p), pull) if follow else unpack(p)


@_rowwise
def perturb_max(x, noise="gumbel", dim=-1):
    """p_i = P[argmax(x + ε) = i] = ∫ φ(z − x_i) Π_{j≠i} Φ(z − x_j) dz for iid noise ε: "gumbel" (softmax), "gaussian",
    "logistic" or a frozen continuous scipy.stats distribution; ValueError where its density is too rough to integrate
    (two rules differ by 1e-8). In float64 on the CPU; memory grows like n, and n² for a density with kinks."""
    named = {"gumbel": stats.gumbel_r(), "gaussian": stats.norm(), "logistic": stats.logistic()}
    dist = named.get(noise) if isinstance(noise, str) else noise
    if not all(hasattr(dist, name) for name in ("logpdf", "logcdf", "ppf", "isf", "args")) or np.ndim(dist.median()):
        raise ValueError(f"noise is {noise!r}; it must be {', '.join(named)} or a frozen distribution of numbers")
    s = x.detach().double()
    s = (s - s.amax(-1, True)).cpu().numpy()[..., None]

    def integrate(rule, density):
        with np.errstate(all="ignore"):  # what is not finite fails the comparison below
            z, h = rule(dist, s, density)
            logcdf = dist.logcdf(z - s)  # (..., n, points)
            rate = np.nan_to_num(np.exp(dist.logpdf(z - s) - logcdf), posinf=0)  # φ/Φ
            mass = h * np.exp(logcdf.sum(-2, keepdims=True))
            return (rate * mass).sum(-1), rate, mass

    with np.errstate(all="ignore"):
        sound = np.isfinite(dist.median()) and not np.isinf(dist.pdf(dist.support())).any()
    for rule in (_trapezoid, _pieces) if sound else ():
        (p, rate, mass), (again, *_) = integrate(rule, 1), integrate(rule, 0.8)
        if (abs(p.sum(-1) - 1) < 1e-10).all() and (abs(p - again) < 1e-8).all():
            break
    else:
        name = noise if isinstance(noise, str) else (dist.dist.name, dist.args, dist.kwds)
        raise ValueError(f"noise is {name}; its density has a pole or is too rough to integrate")
    rate, mass = torch.from_numpy(rate), torch.from_numpy(mass)
    # ∂p_i/∂x_j = −∫ φ_i φ_j Π_{k≠i,j} Φ_k for j ≠ i, and each row of the Jacobian sums to 0
    pull = lambda d: (rate * mass * (d * rate.sum(-2, True) - (d * rate).sum(-2, True))).sum(-1)
    return _Given.apply(x, torch.from_numpy(p).to(x), lambda dp: pull(dp.double().cpu()[..., None]).to(dp))


def _trapezoid(dist, s, density):
    """Points and weights for densities that are smooth on the whole line with light tails: exponentially accurate."""
    low = max(s.min(initial=0, where=s > -np.inf) + dist.ppf(1e-18), dist.ppf(1e-300))  # below the second p underflows
    high, step = dist.isf(1e-18 / s.shape[-2]), (dist.ppf(0.75) - dist.ppf(0.25)) / 24
    return np.linspace(low, high, int(density * np.clip((high - low) / step, 4, 8192)), retstep=True)


def _pieces(dist, s, density):
    """Gauss–Legendre between kinks and quantiles of the noise at every entry, in quantiles of the noise beyond them."""
    (g, w), tails = np.polynomial.legendre.leggauss(int(24 * density)), 10.0 ** -np.arange(1, 7)
    knots = np.unique([*dist.support(), dist.median(), *dist.ppf(tails), *dist.isf(tails)])
    x = np.where(s > -np.inf, s, 0)  # the largest entry is 0
    cuts = np.sort((x + knots[np.isfinite(knots)]).reshape(*s.shape[:-2], -1))[..., None]  # (..., cuts, 1)
    half = np.diff(cuts, axis=-2) / 2
    z, h = [cuts[..., :-1, :] + half * (1 + g)], [half * w]
    for q, inverse, end in ((dist.cdf, dist.ppf, cuts[..., :1, :]), (dist.sf, dist.isf, cuts[..., -1:, :])):
        u = q(end) / 2
        beyond = np.where(u > 0, inverse(u * (1 + g)), end)
        z.append(beyond)
        h.append(u * w / np.where(u > 0, dist.pdf(beyond), 1))
    return (np.concatenate(part, -2).reshape(*s.shape[:-2], 1, -1) for part in (z, h))


@_rowwise
def entmax_loss(x, target, alpha=1.5, dim=-1):
    """Fenchel–Young loss of entmax: cross-entropy for alpha = 1, ½ − x_t + ½ Σ_Ω (x_i² − λ²) for 2."""
    t, alpha = _index(target, x), _alpha(alpha)
    pack, unpack = _few(x.detach(), alpha)
    s = pack(x.detach(), -np.inf)
    p, _, c = _solve(s, alpha)
    # Ω*(s) = ⟨p, s⟩ − Ω(p), where Ω(p) = (Σ p^α − 1) / (α(α − 1)) = ⟨p, s − τ⟩ / α needs no division by α − 1
    tau = c / max(alpha - 1, 1e-20)
    top = s.amax(-1, True)
    value = (1 - 1 / alpha) * (p * (s - top).where(p > 0, 0)).sum(-1, True) + tau / alpha
    value, p = value + (top - x.detach().gather(-1, t)), unpack(p)
    pull = lambda d: d[..., None] * p.scatter_add(-1, t, -torch.ones_like(c))
    return _Given.apply(x, value[..., 0].clamp(min=0), pull)  # rounding may have made it negative


@_rowwise
def sparse_softmax_loss(x, target, k, dim=-1):
    """log Σ_{i∈Ω} e^(x_i) − x_t, Ω the k largest entries, whether or not the target is one of them (Su 2024).

    Finite, convex, ≥ 0; the gradient is sparse_softmax(x, k) − onehot(target)."""
    x = x - x.detach().amax(-1, True)  # or digits go with the difference
    return _keep_largest(x, k).logsumexp(-1) - x.gather(-1, _index(target, x))[..., 0]


def _keep_largest(x, k):
    """x with −inf in all but its k largest entries; among equals the first are kept."""
    _check("k", k, numbers.Integral, 1, x.shape[-1])
    order = torch.sort(x.detach(), dim=-1, descending=True, stable=True)[1]
    return x.scatter(-1, order[..., k:], -torch.inf)


@_rowwise
def stopgrad_loss(x, target, map, dim=-1):
    """⟨x, stop_gradient(p − onehot)⟩, p = map(x) along the last axis: only its gradient means anything. (Su 2024 prints
    the stop at x, which gives the gradient Jᵀx.)"""
    t = _index(target, x)
    r = map(x.detach()).scatter_add(-1, t, -torch.ones_like(x[..., :1]))
    return _Given.apply(x, (r * x.masked_fill(r == 0, 0)).sum(-1), lambda d: d[..., None] * r)


class _Given(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, value, vjp):
        ctx.vjp = vjp
        return value

    backward = staticmethod(torch.autograd.function.once_differentiable(lambda ctx, grad: (ctx.vjp(grad), None, None)))


def _few(x, alpha):
    """Two functions: from (…, n) to (…, k), the few entries that can have a share, and back. Identities if most can."""
    same, n, even = lambda x, fill=0: x, x.shape[-1], x.shape[-1] // 32 * 32
    if n < 512 or not x.is_cpu:
        return same, same
    # Some entries alone have a threshold at most that of all: here the largest of each 32, and what is left over.
    some = torch.cat((x[..., :even].unflatten(-1, (-1, 32)).amax(-1), x[..., even:]), -1)
    low = some.amax(-1, True) + (_solve(some, alpha)[2] - 1.00001) / max(alpha - 1, 1e-20)  # 1e-5 is above rounding
    stays = x.numpy() >= low.numpy()
    if 4 * np.count_nonzero(stays) >= x.numel():
        return same, same
    at = np.flatnonzero(stays)
    row = at // n
    count = np.bincount(row)
    k = count.max()
    slot = row * k + np.arange(len(at)) - (count.cumsum() - count)[row]

    def move(source, target, width, x, fill=0):
        x = x.detach().numpy()
        y = np.full((*x.shape[:-1], width), fill, x.dtype)
        y.reshape(-1)[target] = x.reshape(-1)[source]
        return torch.from_numpy(y)

    return functools.partial(move, at, slot, k), functools.partial(move, slot, at, n)


def _solve(s, alpha):
    """p = relu(1 + b(s − τ))^(1/b), b = alpha − 1, so that Σ p = 1; its slope p^(1−b); bτ, for s less its maximum."""
    b = max(alpha - 1, 1e-20)  # 1e-20 is 0 to rounding
    n, s = s.shape[-1], s - s.amax(-1, True)
    if b > 1:
        return _solve_steep(s, b)
    y = s * -b

    def power(c):  # c = bτ
        if b in (0.5, 1):
            w = (1 - c - y).relu_()
            return (w, w.sign()) if b == 1 else (w * w, w)
        w = (-c - y).clamp_(min=-1).log1p_().div_(b)
        return w.exp(), ((1 - b) * w).exp_().masked_fill_(w.isneginf(), 0)

    if b in (0.5, 1) and n <= 64 and s.is_cpu:  # faster than Newton here, and so short a running sum is accurate
        up = torch.from_numpy(np.sort(y.numpy()))  # −z_(k)
        k, total = torch.arange(1, n + 1, dtype=s.dtype), up.cumsum(-1)
        if b == 1:  # λ = max_k λ_k, λ_k = (S_k − 1) / k
            total.add_(1).div_(k)
        else:  # λ = max_k min(λ_k, z_(k)), λ_k = μ_k − √max(1/k − σ_k², 0): in the support λ_k ≤ λ, beyond it z_(k) ≤ λ
            up.clamp_(max=1)  # λ ≥ −1, so what lies below −1 has no say
            root = (total * total).addcmul_((up * up).cumsum(-1).sub_(1), k, value=-1).clamp_(min=0).sqrt_()
            torch.maximum(total.add_(root).div_(k), up, out=total)
        c = 1 - total.amin(-1, True)
        return *power(c), c
    c, last = torch.zeros_like(s[..., :1]), None
    while last is None or not torch.equal(c, last):
        # Newton for the norm ‖relu(1 + bs − c)‖_(1/b) = 1, convex in c: from the left it never overshoots
        p, g = power(c)
        total = p.sum(-1, True)
        c, last = c - (total * torch.expm1(-b * total.log()) / g.sum(-1, True)).clamp_(max=0), c
    return p.div_(total), g, c


def _solve_steep(s, b):
    """The same for b > 1. Where an entry has just joined, p is too steep in τ for any float to hold, but not in v, the
    least p > 0: p_i^b = b(s_i − e) + v^b, e the least logit with a share."""
    x, n = s.double(), s.shape[-1]
    down, low, high = x.sort(-1, descending=True)[0], torch.zeros_like(s[..., :1], dtype=torch.long), n
    for _ in range(n.bit_length()):  # e, by halving the sorted row
        middle = (low + high) // 2
        fits = (b * (x - down.gather(-1, middle))).relu_().pow_(1 / b).sum(-1, True) < 1
        low, high = torch.where(fits, middle, low), torch.where(fits, high, middle)
    e = down.gather(-1, low)
    on, rise = x >= e, (b * (x - e)).relu_()
    v, last = 1 / on.sum(-1, True).double(), None
    while last is None or not torch.equal(v, last):  # Σ p is convex in v, and ≥ 1 at first: Newton from the right
        p = torch.where(x > e, (rise + v**b) ** (1 / b), on * v)
        slope = (on * (v / p.clamp(min=v)) ** (b - 1)).sum(-1, True)
        v, last = torch.minimum(v, v - (p.sum(-1, True) - 1) / slope).clamp(min=np.finfo(float).tiny), v
    p /= p.sum(-1, True)
    g = torch.where(on, p ** (1 - b), 0).clamp_(max=1e300)
    return p.to(s.dtype), g, (1 + b * e - v**b).to(s.dtype)


def _alpha(alpha):
    _check("alpha", alpha, numbers.Real, 1, 101)
    return float(alpha)


def _index(target, x):
    try:
        t = np.asarray(target.cpu() if isinstance(target, torch.Tensor) else target)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"target cannot be read as an array of integers: {error}") from error
    if np.ma.isMaskedArray(target) or (t.dtype.kind not in "iu" and t.size):
        raise TypeError(f"target is {type(target).__name__} of {t.dtype}; it must hold integers")
    fits = t.shape == x.shape[:-1] and ((t >= 0) & (t < x.shape[-1])).all()
    t = torch.from_numpy(t.astype(np.int64))[..., None].to(x.device)
    if not fits or x.gather(-1, t).isneginf().any():
        raise ValueError(f"target is {target}; it must be {tuple(x.shape[:-1])}, < {x.shape[-1]}, and not on −inf")
    return t
