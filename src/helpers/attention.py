"""Causal attention layers that decode from a cache: MHA, GQA and MQA by one class, MLA in both of its forms.

After Shazeer (2019), Ainslie et al. (2023) and DeepSeek-V2 (2024). Vectors are rows, as in x W. There are no biases
and no dropout; scores are divided by the square root of the size of a whole query. Under autograd use no cache.
There is no mask for padding: texts of unequal length go in one by one, or in lots of equal length. Bad input raises
TypeError or ValueError, and leaves a cache as it was.
"""

import math
from typing import NamedTuple

try:
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError as error:
    raise ImportError("helpers.attention needs PyTorch: pip install torch") from error


class Cache:
    """What one layer keeps of its past: `width` numbers a token, in one buffer (batch, capacity, width).

    A cache belongs to one layer. Set `length` back to forget the newest tokens.

    Args:
        batch, capacity, width: integers ≥ 1: sequences, most tokens, and numbers a token.
        dtype, device: of the buffer; torch's defaults if left out.
    """

    def __init__(self, batch: int, capacity: int, width: int, *, dtype=None, device=None):
        _sizes(batch=batch, capacity=capacity, width=width)
        self.buffer = torch.empty(batch, capacity, width, dtype=dtype, device=device)
        self.length = 0  # tokens held

    @property
    def rows(self) -> torch.Tensor:
        """The rows held, (batch, length, width): a view."""
        return self.buffer[:, : self.length]

    def append(self, new: torch.Tensor) -> torch.Tensor:
        """Write the rows `new` (batch, t, width) behind those held and return all, as `rows`."""
        batch, capacity, width = self.buffer.shape
        if not isinstance(new, torch.Tensor) or (new.dtype, new.device) != (self.buffer.dtype, self.buffer.device):
            what = f"{new.dtype} on {new.device}" if isinstance(new, torch.Tensor) else type(new).__name__
            raise TypeError(f"new is {what}; the cache has {self.buffer.dtype} on {self.buffer.device}")
        if new.ndim != 3 or new.shape[2] != width:
            raise ValueError(f"new has shape {tuple(new.shape)}; it must be (batch, t, {width})")
        if new.shape[0] != batch:
            raise ValueError(f"the batch has {new.shape[0]} sequences; cache was made for {batch}")
        if not 0 <= self.length <= capacity - new.shape[1]:
            held = f"cache holds {self.length} of {capacity} tokens"
            raise ValueError(f"{held}; {new.shape[1]} more do not fit: declare a larger capacity")
        if new.requires_grad and torch.is_grad_enabled():
            raise ValueError("new requires a gradient; a cache is for inference: run under torch.no_grad()")
        self.buffer[:, self.length : self.length + new.shape[1]] = new
        self.length += new.shape[1]
        return self.rows


class Yarn(NamedTuple):
    """RoPE for texts `factor` times as long as the `original` ones, as released DeepSeek checkpoints have it (YaRN).

    After Peng et al. (2023). Pairs that turn at least `fast` times in an original text keep their angle, those that
    turn at most `slow` times are slowed down by `factor`, between them in proportion to the pair's number. Scores are
    multiplied by (1 + mscale · ln(factor) / 10)². DeepSeek-V3 has mscale 1, DeepSeek-V2 0.707, both factor 40.
    """

    factor: float
    original: int = 4096
    fast: float = 32
    slow: float = 1
    mscale: float = 1

    @property
    def scale(self) -> float:
        """What scores are multiplied by."""
        return (1 + self.mscale * math.log(self.factor) / 10) ** 2

    def frequencies(self, size: int, base: float) -> torch.Tensor:
        """The angle by which each pair turns from token to token: (size/2,), float64."""
        pair = lambda turns: size * math.log(self.original / (2 * math.pi * turns)) / (2 * math.log(base))
        low, high = max(math.floor(pair(self.fast)), 0), min(math.ceil(pair(self.slow)), size - 1)
        slowed = ((torch.arange(size // 2, dtype=torch.float64) - low) / max(high - low, 1e-3)).clamp(0, 1)
        return _frequencies(size, base) * (1 - slowed + slowed / self.factor)


def rope(x: torch.Tensor, start: int = 0, base: float = 10_000.0, yarn: Yarn | None = None) -> torch.Tensor:
    """Rotary position embedding, x_m R_m: pair (2a, 2a + 1) turns by the angle m · base^(−2a/d_r) (Su et al., 2021).

    16 bits are turned in 32, and rounded once.

    Args:
        x: (..., L, d_r), floating point, d_r even; row j has position m = start + j.
        start: the first row's position, an integer below 2**52 in size.
        base: a number ≥ 1; the wavelengths run from 2π to nearly 2π · base tokens.
        yarn: frequencies of YaRN instead.
    """
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        raise TypeError(f"x is {getattr(x, 'dtype', type(x).__name__)}; it must be a floating-point tensor")
    if x.ndim < 2 or x.shape[-1] % 2:
        raise ValueError(f"x has shape {tuple(x.shape)}; it must be (..., L, d_r) with d_r even")
    if type(start) is not int or abs(start) >= 2**52:
        error = ValueError if type(start) is int else TypeError
        raise error(f"start is {start!r}; it must be an integer below 2**52 in size")
    _base(base, yarn)
    turns = (_frequencies if yarn is None else yarn.frequencies)(x.shape[-1], base).to(x.device)
    m = torch.arange(start, start + x.shape[-2], dtype=torch.float64, device=x.device)
    angle = m[:, None] * turns  # (L, d_r/2), in float64: float32 would lose digits at large m
    exact = torch.promote_types(x.dtype, torch.float32)
    cos, sin = angle.cos().to(exact), angle.sin().to(exact)
    even, odd = x[..., ::2].to(exact), x[..., 1::2].to(exact)
    return torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1).flatten(-2).to(x.dtype)


def _attend(q, k, v):
    """Causal attention of the last t of L positions: q (b, h, t, d_k), k, v (b, g, L, ·) → (b, h, t, d_v).

    Head s reads group s // (h/g).
    """
    (b, h, t, _), (_, g, L, _) = q.shape, k.shape
    if t == L:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=g < h)
    if t == g == 1 and q.dtype == k.dtype and q.dtype.itemsize > 2:  # two plain products: SDPA takes longer here
        p = (q[:, :, 0] @ k[:, 0].mT / math.sqrt(q.shape[-1])).softmax(-1)
        return (p @ v[:, 0])[:, :, None]
    # With a past, the heads of a group stand in line as queries of one head, so that its keys are read once.
    mask = torch.ones(t, L, dtype=torch.bool, device=q.device).tril(L - t).repeat(h // g, 1) if t > 1 else None
    return F.scaled_dot_product_attention(q.reshape(b, g, -1, q.shape[-1]), k, v, attn_mask=mask).reshape(b, h, t, -1)


class _Layer(nn.Module):
    """What the layers share: sizes, input that is checked before anything is written, and the output projection."""

    def cache(self, batch: int, capacity: int) -> Cache:
        """An empty cache for this layer."""
        return Cache(batch, capacity, self.width, dtype=self.W_o.dtype, device=self.W_o.device)

    def _weight(self, *shape, fan_in=None):
        return nn.Parameter(torch.randn(shape) / math.sqrt(fan_in or shape[0]))

    def _start(self, x, cache):
        """The position of the first row of x; raises if x or the cache does not fit the layer."""
        if not isinstance(x, torch.Tensor) or x.dtype != self.W_o.dtype or x.device != self.W_o.device:
            what = f"{x.dtype} on {x.device}" if isinstance(x, torch.Tensor) else type(x).__name__
            raise TypeError(f"x is {what}; it must be {self.W_o.dtype} on {self.W_o.device}, as the layer's weights")
        if x.ndim != 3 or x.shape[2] != self.d or 0 in x.shape:
            raise ValueError(f"x has shape {tuple(x.shape)}; it must be (batch, t, {self.d}), nothing empty")
        if cache is None:
            return 0
        if not isinstance(cache, Cache):
            raise TypeError(f"cache is {type(cache).__name__}; it must be a Cache, as layer.cache makes it")
        if cache.buffer.shape[2] != self.width:
            raise ValueError(f"cache keeps {cache.buffer.shape[2]} numbers a token; this layer needs {self.width}")
        return cache.length

    def _keep(self, q, rows, cache):
        """All rows, the new ones cached. NaN in a score need not show in the output: torch's kernel may give 0."""
        if not (torch.isfinite(q).all() and torch.isfinite(rows).all()):
            raise ValueError("x holds NaN or infinity, or queries or keys made of it do; all must be finite")
        rows = rows.to(self.W_o.dtype)  # under torch.autocast they have 16 bits, and the layer's cache has not
        return rows if cache is None else cache.append(rows)

    def _out(self, o):
        return o.transpose(1, 2).flatten(2) @ self.W_o.flatten(0, 1)  # (b, t, h d_v) (h d_v, d)


class GQA(_Layer):
    """Grouped-query attention: h query heads share g key and value heads. MHA at g = h, MQA at g = 1.

    Args:
        d, h, g, d_k: width of the layer, query heads, groups (h divisible by g), size of a key.
        d_v: size of a value, d_k if left out.
        base: the base of RoPE over all of d_k; None for no positions.

    The cache keeps g (d_k + d_v) numbers a token: [key, value] of each group.
    """

    def __init__(self, d: int, h: int, g: int, d_k: int, d_v: int | None = None, *, base: float | None = None):
        super().__init__()
        d_v = d_k if d_v is None else d_v
        _sizes(d=d, h=h, g=g, d_k=d_k, d_v=d_v)
        if h % g:
            raise ValueError(f"h = {h} is not divisible by g = {g}; each group must serve equally many heads")
        if base is not None:
            _base(base, d_k=d_k)
        self.d, self.g, self.d_k, self.base, self.width = d, g, d_k, base, g * (d_k + d_v)
        self.W_q = self._weight(d, h, d_k)
        self.W_c = self._weight(d, g * (d_k + d_v))
        self.W_o = self._weight(h, d_v, d, fan_in=h * d_v)

    def forward(self, x: torch.Tensor, cache: Cache | None = None) -> torch.Tensor:
        """x (b, t, d) → (b, t, d). With a cache, x continues what it holds, and is added to it."""
        start = self._start(x, cache)
        q = (x @ self.W_q.flatten(1)).unflatten(2, (-1, self.d_k)).transpose(1, 2)  # (b, h, t, d_k)
        rows = (x @ self.W_c).unflatten(2, (self.g, -1))  # (b, t, g, d_k + d_v)
        if self.base is not None:
            q = rope(q, start, self.base)
            k = rope(rows[..., : self.d_k].transpose(1, 2), start, self.base).transpose(1, 2)
            rows = torch.cat((k, rows[..., self.d_k :]), -1)
        rows = self._keep(q, rows.flatten(2), cache).unflatten(2, (self.g, -1))  # (b, L, g, d_k + d_v)
        k, v = rows.transpose(1, 2).tensor_split((self.d_k,), -1)
        return self._out(_attend(q, k, v))


class MLA(_Layer):
    """Multi-head latent attention (DeepSeek-V2): all heads share one latent c and one rotary key.

    Args:
        d, h, d_k, d_v: width of the layer, heads, size of a key without RoPE, size of a value.
        d_c, d_r: size of the latent, and of the rotary part of key and query (even).
        d_q: size of the queries' own latent; None: queries are made from x itself.
        norm: RMSNorm on the latents, as DeepSeek has it.
        base, yarn: the base of RoPE, and a `Yarn` for long texts.

    The cache keeps d_c + d_r numbers a token: [latent, rotary key].
    """

    def __init__(self, d, h, d_k, d_v, d_c, d_r, d_q=None, *, norm=False, base=10_000.0, yarn=None):
        super().__init__()
        _sizes(d=d, h=h, d_k=d_k, d_v=d_v, d_c=d_c, d_r=d_r, d_q=d if d_q is None else d_q)
        _base(base, yarn, d_r=d_r)
        self.d, self.d_k, self.d_c, self.base, self.yarn, self.width = d, d_k, d_c, base, yarn, d_c + d_r
        self.W_cq = None if d_q is None else self._weight(d, d_q)
        self.W_q = self._weight(d if d_q is None else d_q, h, d_k + d_r)
        self.W_c = self._weight(d, d_c + d_r)
        self.W_k, self.W_v = self._weight(d_c, h, d_k), self._weight(d_c, h, d_v)
        self.W_o = self._weight(h, d_v, d, fan_in=h * d_v)
        self.norm_q, self.norm_c = (nn.RMSNorm(n, eps=1e-6) if norm and n else nn.Identity() for n in (d_q, d_c))

    def forward(self, x: torch.Tensor, cache: Cache | None = None, *, absorbed: bool = False) -> torch.Tensor:
        """x (b, t, d) → (b, t, d). With a cache, x continues what it holds, and is added to it.

        The two forms give the same output, up to rounding. `absorbed=False` makes keys and values of all heads from
        the latents: for training and prefill. `absorbed=True` lets queries meet the latents themselves: for decoding.
        """
        start = self._start(x, cache)
        q = x if self.W_cq is None else self.norm_q(x @ self.W_cq)
        q = (q @ self.W_q.flatten(1)).unflatten(2, self.W_q.shape[1:]).transpose(1, 2)  # (b, h, t, d_k + d_r)
        q = q if self.yarn is None else q * self.yarn.scale
        q, q_r = q[..., : self.d_k], rope(q[..., self.d_k :], start, self.base, self.yarn)
        c, k_r = (x @ self.W_c).tensor_split((self.d_c,), -1)
        rows = torch.cat((self.norm_c(c), rope(k_r, start, self.base, self.yarn)), -1)  # (b, t, d_c + d_r)
        q = torch.cat((q @ self.W_k.permute(1, 2, 0) if absorbed else q, q_r), -1)  # (b, h, t, d_k or d_c + d_r)
        rows = self._keep(q, rows, cache)  # (b, L, d_c + d_r)
        c, k_r = rows.tensor_split((self.d_c,), -1)
        if absorbed:
            scale = math.sqrt(self.width / self.W_q.shape[2])  # the size of the whole query is d_k + d_r
            return self._out(_attend(scale * q, rows[:, None], c[:, None]) @ self.W_v.transpose(0, 1))
        k, v = ((c @ W.flatten(1)).unflatten(2, W.shape[1:]).transpose(1, 2) for W in (self.W_k, self.W_v))
        k = torch.cat((k, k_r[:, None].expand(*k.shape[:3], -1)), -1)  # (b, h, L, d_k + d_r)
        return self._out(_attend(q, k, v))


def _sizes(**named):
    for name, size in named.items():
        if type(size) is not int or size < 1:
            error = ValueError if type(size) is int else TypeError
            raise error(f"{name} is {size!r}; it must be a Python int ≥ 1")


def _frequencies(size, base):
    """The angle by which RoPE turns each pair from token to token: (size/2,), float64."""
    return base ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)


def _base(base, yarn=None, **size):
    """Raise if RoPE cannot have this base, this YaRN, or a size that is not even."""
    if isinstance(base, bool) or not isinstance(base, (int, float)):
        raise TypeError(f"base is {base!r}; it must be a number ≥ 1")
    if not 1 <= base < 2**1023:
        raise ValueError(f"base is {base}; it must be a finite number ≥ 1")
    for name, d in size.items():
        if d % 2:
            raise ValueError(f"{name} is {d}; it must be even for RoPE")
    if yarn is None:
        return
    if not isinstance(yarn, Yarn):
        raise TypeError(f"yarn is {type(yarn).__name__}; it must be a Yarn, or None")
    for name, value in yarn._asdict().items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(f"{name} of yarn is {value!r}; it must be a number")
    if not (1 <= yarn.factor < math.inf and 0 < yarn.slow <= yarn.fast and yarn.original >= 1 and base > 1):
        raise ValueError(f"yarn is {yarn}, base {base}; needed are factor ≥ 1, original ≥ 1, 0 < slow ≤ fast, base > 1")
