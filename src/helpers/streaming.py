"""Attention as a fold over keys: the running-max state (m, y, z), its merge, and causal attention block by block; and
what a running program holds: bytes at the peak, numbers in open calls.

After Milakov & Gimelshein (2018), Rabe & Staats (2021) and Dao et al. (2022). Everything runs in the dtype of its
input, on purpose: the precision of the accumulation is one of the things the book looks at. Autograd passes through.
"""

import gc
import sys
import tracemalloc

import numpy as np

try:
    import torch
except ImportError as error:
    raise ImportError("helpers.streaming needs PyTorch: pip install torch") from error

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
State = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def fold(scores: torch.Tensor, values: torch.Tensor) -> State:
    """The state of one block: m = max s, y = Σ e^(s − m) v, z = Σ e^(s − m).

    Args:
        scores: (b,) for one query or (..., n, b) for n, floating point, −inf where a key is masked; b ≥ 1.
        values: (b, d_v) or (..., b, d_v), of the dtype of `scores`, with the same leading dimensions.

    Returns:
        m (..., n), y (..., n, d_v), z (..., n); without n for one query. Where all scores of a query are −inf: the
        neutral state (−inf, 0, 0).

    Raises:
        TypeError: an argument is not a floating-point tensor, or the dtypes differ.
        ValueError: shapes do not fit, scores hold NaN or +inf, or values are not finite.
    """
    _tensors(scores=scores, values=values)
    if scores.ndim < 1 or 0 in scores.shape:
        raise ValueError(f"scores has shape {tuple(scores.shape)}; it must be (b,) or (..., n, b), nothing empty")
    keys = (*scores.shape[:-2], scores.shape[-1])
    if tuple(values.shape[:-1]) != keys or values.shape[-1] == 0:
        raise ValueError(f"values has shape {tuple(values.shape)}; it must be {keys} + (d_v,) with d_v ≥ 1")
    if torch.isnan(scores).any() or torch.isposinf(scores).any():
        raise ValueError("scores holds NaN or +inf; it must be finite, or −inf where a key is masked")
    _finite(values=values)
    m = scores.amax(-1)
    p = torch.exp(scores - _base(m)[..., None])  # (..., n, b)
    return m, p @ values, p.sum(-1)


def merge(a: State, b: State) -> State:
    """The state of two blocks taken together: associative, commutative, with (−inf, 0, 0) as neutral element.

    Args:
        a, b: states of equal shapes and dtype, as `fold` returns them.

    Raises:
        TypeError: a state is not a tuple of three floating-point tensors of one dtype.
        ValueError: the shapes within a state do not fit, or shapes or dtypes differ between the states.
    """
    for name, state in (("a", a), ("b", b)):
        if not (isinstance(state, tuple) and len(state) == 3):
            raise TypeError(f"{name} is {type(state).__name__}; it must be the tuple (m, y, z)")
        _tensors(**dict(zip((f"{name}.m", f"{name}.y", f"{name}.z"), state, strict=True)))
        m, y, z = state
        if not (y.ndim and m.shape == z.shape == y.shape[:-1]):
            found = ", ".join(str(tuple(t.shape)) for t in state)
            raise ValueError(f"{name} has shapes {found}; they must be (...), (..., d_v), (...)")
    shapes = [[tuple(t.shape) for t in state] for state in (a, b)]
    if shapes[0] != shapes[1] or a[0].dtype != b[0].dtype:
        raise ValueError(f"b has shapes {shapes[1]} in {b[0].dtype}; they must be as in a, {shapes[0]} in {a[0].dtype}")
    m = torch.maximum(a[0], b[0])
    wa, wb = torch.exp(a[0] - _base(m)), torch.exp(b[0] - _base(m))
    return m, wa[..., None] * a[1] + wb[..., None] * b[1], wa * a[2] + wb * b[2]


def streaming_attention(q, k, v, *, block: int = 64, scale: float = 1.0) -> torch.Tensor:
    """Causal softmax attention, reading the keys once in blocks; never forms the (L, L) matrix.

    Args:
        q, k: (..., L, d_k), v: (..., L, d_v), floating point of one dtype, equal leading dimensions, L ≥ 1.
        block: keys read at a time, ≥ 1. Without gradients working memory is O(L · block) for each leading index; with
            them autograd keeps the scores of all blocks, O(L²).
        scale: multiplies the scores; 1 as in the book's text, 1/√d_k in most models.

    Returns:
        (..., L, d_v).

    Raises:
        TypeError, ValueError: an argument that is not so, or holds NaN or infinity; scores or sums that overflow.
    """
    _tensors(q=q, k=k, v=v)
    if q.ndim < 2 or 0 in q.shape or k.shape != q.shape:
        raise ValueError(f"k has shape {tuple(k.shape)}, q {tuple(q.shape)}; both must be (..., L, d_k), nothing empty")
    if v.ndim != q.ndim or v.shape[:-1] != q.shape[:-1] or v.shape[-1] == 0:
        raise ValueError(f"v has shape {tuple(v.shape)}; it must be {tuple(q.shape[:-1])} + (d_v,) with d_v ≥ 1")
    if isinstance(block, bool) or not isinstance(block, int):
        raise TypeError(f"block is {block!r}; it must be an integer ≥ 1")
    if block < 1:
        raise ValueError(f"block is {block}; it must be an integer ≥ 1")
    if isinstance(scale, bool) or not isinstance(scale, (int, float)):
        raise TypeError(f"scale is {scale!r}; it must be a finite number")
    if scale and not torch.finfo(q.dtype).tiny <= abs(scale) <= torch.finfo(q.dtype).max:
        raise ValueError(f"scale is {scale}; it must be 0 or a number that {q.dtype} holds")
    _finite(q=q, k=k, v=v)
    i = torch.arange(q.shape[-2], device=q.device)
    state = None
    for start in range(0, q.shape[-2], block):
        j = i[start : start + block]
        scores = scale * q @ k[..., j, :].mT  # (..., L, b)
        if not torch.isfinite(scores).all():  # −inf would be read as a mask
            raise ValueError(f"q, k and scale give scores beyond {q.dtype}; they must be smaller, or in a wider dtype")
        scores = scores.masked_fill(j > i[:, None], -torch.inf)
        part = fold(scores, v[..., j, :])
        state = part if state is None else merge(state, part)
    _, y, z = state
    if not (torch.isfinite(y).all() and torch.isfinite(z).all()):
        raise ValueError(f"v gives sums beyond {v.dtype}; it must be smaller, or in a wider dtype")
    return y / z[..., None]


def peak(outputs) -> int:
    """Bytes allocated at the peak, by tracemalloc, while the items of `outputs()` are made and dropped.

    The least of three runs after a warm-up: the interpreter's other threads allocate too. Only what a run allocates
    itself is counted, so what was there before needs no clearing away.

    Args:
        outputs: a function without arguments that returns an iterable, a generator as a rule.

    Raises:
        TypeError: `outputs` cannot be called.
        RuntimeError: tracemalloc is tracing already.
    """
    if not callable(outputs):
        raise TypeError(f"outputs is {type(outputs).__name__}; it must be a function that returns an iterable")
    if tracemalloc.is_tracing():
        raise RuntimeError("tracemalloc is tracing already; it must be stopped, or peaks would be those of both")
    peaks, collecting = [], gc.isenabled()
    gc.disable()
    try:
        for _ in range(4):
            tracemalloc.start()
            for _ in outputs():
                pass
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    finally:
        tracemalloc.stop()
        if collecting:
            gc.enable()
    return min(peaks[1:])


def open_numbers(function, names) -> int:
    """How many numbers all calls of `function` that are open right now hold in the local variables `names`.

    Args:
        function: a function of Python that calls, directly or not, whoever asks.
        names: of local variables: numbers, arrays, tuples of these. One that is not set yet, or None, counts 0.

    Raises:
        TypeError: `function` has no code to be found.
    """
    code = getattr(function, "__code__", None)
    if code is None:
        raise TypeError(f"function is {type(function).__name__}; it must be a function of Python")
    held, frame = 0, sys._getframe(1)
    while frame is not None:
        if frame.f_code is code:
            held += sum(_count(frame.f_locals.get(name)) for name in names)
        frame = frame.f_back
    return held


def _count(value):
    if value is None:
        return 0
    return sum(map(_count, value)) if isinstance(value, (tuple, list)) else int(np.size(value))


def _base(m):
    """m, or 0 where nothing is visible yet, so that −inf − m is −inf and not NaN."""
    return torch.where(torch.isneginf(m), 0, m)


def _tensors(**named):
    lead, first = next(iter(named.items()))
    for name, t in named.items():
        if not isinstance(t, torch.Tensor) or t.dtype not in DTYPES:
            what = t.dtype if isinstance(t, torch.Tensor) else type(t).__name__
            raise TypeError(f"{name} is {what}; it must be a floating-point torch tensor of 16, 32 or 64 bits")
        if t.layout != torch.strided or t.is_meta or t.is_nested:
            raise TypeError(f"{name} is a sparse, nested or meta tensor; it must be dense")
        if (t.dtype, t.device) != (first.dtype, first.device):
            raise TypeError(f"{name} is {t.dtype} on {t.device}; it must be {first.dtype} on {first.device}, as {lead}")


def _finite(**named):
    for name, t in named.items():
        if not torch.isfinite(t).all():
            raise ValueError(f"{name} holds NaN or infinity; it must be finite")
