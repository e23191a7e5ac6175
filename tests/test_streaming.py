"""helpers.streaming against torch's own attention, its laws, and refused input."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.streaming import fold, merge, open_numbers, peak, streaming_attention

EPS = 2.0**-52


def normal(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


@settings(deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 40), st.integers(1, 45), st.sampled_from([0.01, 1.0, 30.0, 1000.0]))
def test_equals_sdpa_for_every_block(seed, length, block, scale):
    q, k, v = normal(seed, 2, length, 4), normal(seed + 1, 2, length, 4), normal(seed + 2, 2, length, 3)
    got = streaming_attention(q, k, v, block=block, scale=scale)
    want = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
    scores = 16 * scale * q.norm(dim=-1).max() * k.norm(dim=-1).max()
    assert (got - want).abs().max() <= EPS * (scores + 4 * length) * v.abs().max()


@settings(deadline=None)
@given(st.integers(0, 2**16), st.lists(st.integers(1, 6), min_size=1, max_size=6), st.floats(-1e4, 1e4))
def test_any_split_in_any_order(seed, sizes, shift):
    n = sum(sizes)
    s, v = normal(seed, n) + shift, normal(seed + 1, n, 2)
    parts = [fold(a, b) for a, b in zip(s.split(sizes), v.split(sizes), strict=True)]
    state = (torch.tensor(-torch.inf, dtype=s.dtype), torch.zeros(2, dtype=s.dtype), torch.zeros((), dtype=s.dtype))
    for i in np.random.default_rng(seed).permutation(len(parts)):
        state = merge(state, parts[i])
    want = torch.softmax(s, 0) @ v
    assert (state[1] / state[2] - want).abs().max() <= 8 * n * EPS * v.abs().max()


def test_masked_block_is_neutral():
    masked = fold(torch.full((3,), -torch.inf), torch.ones(3, 2))
    assert masked[0] == -torch.inf and masked[2] == 0 and not masked[1].any()
    state = fold(torch.tensor([1.0, 2.0]), torch.ones(2, 2))
    for a, b in ((masked, state), (state, masked)):
        assert all(torch.equal(x, y) for x, y in zip(merge(a, b), state, strict=True))
    assert not merge(masked, masked)[1].any()


def test_gradients():
    q, k, v = (normal(i, 3, 7, 4).requires_grad_() for i in range(3))
    assert torch.autograd.gradcheck(lambda *x: streaming_attention(*x, block=3), (q, k, v))
    assert torch.autograd.gradcheck(fold, (q @ k.mT.detach(), v))


def test_the_maximum_is_the_maximum():
    state = fold(torch.ones(2), torch.ones(2, 1))
    assert merge(state, state)[0] == 1 and merge(state, state)[2] == 4
    big = torch.ones(2, 1) * 1e16  # a mask that is only a large negative number would let the future in
    assert streaming_attention(big, -big, torch.tensor([[1.0], [2.0]]))[0] == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_keeps_the_dtype(dtype):
    q, k, v = (normal(i, 20, 4).to(dtype) for i in range(3))
    out = streaming_attention(q, k, v, block=4)
    assert out.dtype == dtype
    want = F.scaled_dot_product_attention(*(x[None].double() for x in (q, k, v)), is_causal=True, scale=1)[0]
    assert (out.double() - want).abs().max() < 50 * torch.finfo(dtype).eps * v.abs().max()


Q, V = torch.ones(5, 4), torch.ones(5, 3)


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "says"),
    [
        ((Q, Q[:4], V), {}, ValueError, "k has shape"),
        ((Q, torch.ones(1, 5, 4), V), {}, ValueError, "k has shape"),
        ((Q[0], Q[0], V), {}, ValueError, "q"),
        ((Q[:0], Q[:0], V[:0]), {}, ValueError, "nothing empty"),
        ((Q, Q, V[:4]), {}, ValueError, "v has shape"),
        ((Q, Q, V[None]), {}, ValueError, "v has shape"),
        ((Q, Q, V[:, :0]), {}, ValueError, "v has shape"),
        ((Q.numpy(), Q, V), {}, TypeError, "q is ndarray"),
        ((Q, Q.double(), V), {}, TypeError, "k is torch.float64"),
        ((Q.long(), Q.long(), V), {}, TypeError, "q is torch.int64"),
        ((Q * torch.nan, Q, V), {}, ValueError, "q holds NaN"),
        ((Q, Q * torch.nan, V), {}, ValueError, "k holds NaN"),
        ((Q.clone().index_fill_(0, torch.tensor(0), torch.nan), Q, V), {}, ValueError, "q holds NaN"),
        ((Q, Q, V * torch.inf), {}, ValueError, "v holds NaN or infinity"),
        ((Q, Q, V.double()), {}, TypeError, "v is torch.float64"),
        ((Q.to_sparse(), Q, V), {}, TypeError, "q is a sparse"),
        ((Q.to("meta"), Q, V), {}, TypeError, "q is a sparse, nested or meta"),
        ((Q.to(torch.float8_e5m2), Q, V), {}, TypeError, "q is torch.float8"),
        ((Q * 1e20, -Q * 1e20, V), {}, ValueError, "scores beyond"),
        ((Q.half(), Q.half(), V.half() * 6e4), {}, ValueError, "sums beyond"),
        ((Q, Q, V), {"scale": 1e-76}, ValueError, "scale is 1e-76"),
        ((Q, Q, V), {"scale": 10**400}, ValueError, "scale is"),
        ((Q, Q, V), {"scale": True}, TypeError, "scale is True"),
        ((Q, Q, V), {"scale": -float("inf")}, ValueError, "scale is -inf"),
        ((Q, Q, V), {"block": -1}, ValueError, "block is -1"),
        ((Q, Q, V), {"block": 0}, ValueError, "block is 0"),
        ((Q, Q, V), {"block": 2.0}, TypeError, "block is 2.0"),
        ((Q, Q, V), {"block": True}, TypeError, "block is True"),
        ((Q, Q, V), {"scale": float("nan")}, ValueError, "scale is nan"),
        ((Q, Q, V), {"scale": "1"}, TypeError, "scale is '1'"),
    ],
)
def test_bad_attention_input_is_refused(args, kwargs, error, says):
    with pytest.raises(error, match=says):
        streaming_attention(*args, **kwargs)


@pytest.mark.parametrize(
    ("scores", "values", "error", "says"),
    [
        (torch.ones(0), torch.ones(0, 2), ValueError, "scores has shape"),
        (torch.tensor(1.0), torch.ones(1, 2), ValueError, "scores has shape"),
        (torch.ones(3), torch.ones(2, 2), ValueError, "values has shape"),
        (torch.ones(0, 3), torch.ones(3, 2), ValueError, "scores has shape"),
        (torch.ones(3), torch.ones(3, 0), ValueError, "values has shape"),
        (torch.ones(2, 4, 3), torch.ones(3, 2), ValueError, "values has shape"),
        (torch.tensor([1.0, torch.nan]), torch.ones(2, 2), ValueError, "scores holds NaN"),
        (torch.tensor([1.0, torch.inf]), torch.ones(2, 2), ValueError, r"\+inf"),
        (torch.ones(2), torch.full((2, 2), torch.inf), ValueError, "values holds"),
        (torch.ones(2), torch.ones(2, 2).double(), TypeError, "values is torch.float64"),
        ([1.0], torch.ones(1, 2), TypeError, "scores is list"),
    ],
)
def test_bad_blocks_are_refused(scores, values, error, says):
    with pytest.raises(error, match=says):
        fold(scores, values)


def test_bad_states_are_refused():
    state = fold(torch.ones(2), torch.ones(2, 3))
    with pytest.raises(ValueError, match="b has shapes"):
        merge(state, fold(torch.ones(2), torch.ones(2, 4)))
    with pytest.raises(ValueError, match=r"a has shapes \(2,\), \(3,\), \(2,\)"):
        merge((torch.ones(2), torch.ones(3), torch.ones(2)), state)
    with pytest.raises(TypeError, match="a is tuple"):
        merge((torch.ones(1),), state)
    with pytest.raises(TypeError, match="b is list"):
        merge(state, list(state))
    with pytest.raises(TypeError, match=r"b\.m is float"):
        merge(state, (1.0, 2.0, 3.0))
    with pytest.raises(ValueError, match="float64"):
        merge(state, tuple(x.double() for x in state))


def test_memory_is_saved_forward_only():
    """With gradients the scores of all blocks are kept, as the docstring says."""

    def saved(length):
        kept = []
        q, k, v = (normal(i, length, 4).requires_grad_() for i in range(3))
        with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
            streaming_attention(q, k, v, block=16)
        return sum(kept)

    assert 3 < saved(256) / saved(128) < 4


def test_peak_counts_what_is_open_at_once():
    one_by_one = peak(lambda: (np.zeros(1000) for _ in range(20)))
    together = peak(lambda: [np.zeros(1000) for _ in range(20)])
    assert 8000 <= one_by_one < 2 * 8000 + 2000 and 160_000 <= together < 170_000
    with pytest.raises(TypeError, match="outputs is list"):
        peak([])


def test_peak_is_the_least_of_three_runs_after_a_first_one():
    sizes = iter([10, 1000, 100_000, 100_000])
    assert 8000 <= peak(lambda: [np.zeros(next(sizes))]) < 10_000


def test_open_numbers_are_those_of_open_calls():
    seen = []

    def nested(n):
        x, pair = np.zeros(n), (1.0, np.zeros(2))
        if n > 1:
            nested(n - 1)
        seen.append(open_numbers(nested, ("x", "pair", "nobody")))
        return x, pair

    nested(3)
    assert seen == [3 + 2 + 1 + 9, 3 + 2 + 6, 3 + 3]
    with pytest.raises(TypeError, match="function is int"):
        open_numbers(3, ())
