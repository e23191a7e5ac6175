"""helpers.attention against loops and torch, with every way to cut a text, and refused input."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import attention
from helpers.attention import GQA, MLA, Cache, Yarn, _attend, rope

EPS = 2.0**-52


def make(seed, what, **sizes):
    torch.manual_seed(seed)
    return what(**sizes).double().requires_grad_(False)


def chunks(layer, x, sizes, forms=({},)):
    """x (b, L, d) in pieces through a cache, the forms taken in turn."""
    cache = layer.cache(x.shape[0], x.shape[1])
    parts = x.split(sizes, 1)
    out = torch.cat([layer(part, cache, **forms[i % len(forms)]) for i, part in enumerate(parts)], 1)
    assert cache.length == x.shape[1] and cache.buffer.shape == (x.shape[0], x.shape[1], layer.width)
    return out


def per_head(x, q, k, v, W_o):
    """Attention with all heads written out: q, k, v (h, L, ·)."""
    future = torch.ones(len(x), len(x)).triu(1).bool()
    p = torch.softmax((q @ k.mT / q.shape[-1] ** 0.5).masked_fill(future, -torch.inf), -1)
    return ((p @ v) @ W_o).sum(0)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**16),
    st.integers(1, 3),
    st.integers(1, 3),
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.booleans(),
)
def test_gqa_equals_the_loop_in_any_pieces(seed, g, per_group, sizes, turned):
    h = g * per_group
    layer = make(seed, GQA, d=12, h=h, g=g, d_k=4, d_v=5, base=100.0 if turned else None)
    x = torch.randn(2, sum(sizes), 12, dtype=torch.float64)
    out = chunks(layer, x, sizes)
    W_c = layer.W_c.unflatten(1, (g, 9))[:, [s // per_group for s in range(h)]].permute(1, 0, 2)  # (h, d, 9)
    q, k, v = x[1] @ layer.W_q.permute(1, 0, 2), x[1] @ W_c[..., :4], x[1] @ W_c[..., 4:]
    if turned:
        q, k = rope(q, 0, 100.0), rope(k, 0, 100.0)
    want = per_head(x[1], q, k, v, layer.W_o)
    assert (out[1] - want).abs().max() < 1e4 * EPS
    assert (layer(x)[1] - want).abs().max() < 1e4 * EPS


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**16),
    st.sampled_from([(None, False), (None, True), (6, False), (6, True)]),
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
)
def test_mla_equals_the_loop_in_any_pieces_and_forms(seed, queries, sizes):
    d_q, norm = queries
    layer = make(seed, MLA, d=12, h=3, d_k=4, d_v=5, d_c=7, d_r=2, d_q=d_q, norm=norm, base=50.0)
    if norm:
        layer.norm_c.weight.uniform_(0.5, 1.5)
    x = torch.randn(2, sum(sizes), 12, dtype=torch.float64)
    latent = x[1] if d_q is None else layer.norm_q(x[1] @ layer.W_cq)
    q = latent @ layer.W_q.permute(1, 0, 2)
    c, k_r = (x[1] @ layer.W_c).split([7, 2], 1)
    c = layer.norm_c(c)
    q = torch.cat((q[..., :4], rope(q[..., 4:], 0, 50.0)), -1)
    k = torch.cat((c @ layer.W_k.permute(1, 0, 2), rope(k_r, 0, 50.0).expand(3, -1, -1)), -1)
    want = per_head(x[1], q, k, c @ layer.W_v.permute(1, 0, 2), layer.W_o)
    for forms in ([{}], [{"absorbed": True}], [{}, {"absorbed": True}]):
        assert (chunks(layer, x, sizes, forms)[1] - want).abs().max() < 1e4 * EPS
    assert (layer(x, absorbed=True)[1] - want).abs().max() < 1e4 * EPS


def test_heads_take_neighbouring_groups():
    q, k, v = torch.zeros(1, 4, 1, 2), torch.zeros(1, 2, 3, 2), torch.zeros(1, 2, 3, 1)
    v[0, 1] = 1.0
    assert _attend(q, k, v).flatten().tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("t", [1, 3, 6])
def test_attend_sees_the_past_and_no_future(t):
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 4, t, 8), torch.randn(2, 2, 6, 8), torch.randn(2, 2, 6, 3)
    mask = torch.ones(6, 6).tril().bool()[6 - t :]
    want = F.scaled_dot_product_attention(q, k.repeat_interleave(2, 1), v.repeat_interleave(2, 1), attn_mask=mask)
    assert (_attend(q, k, v) - want).abs().max() < 1e-6


def test_rope_turns_by_the_formula_and_keeps_large_positions():
    x = torch.tensor([[1.0, 0.0, 0.0, 1.0]], dtype=torch.float64)
    y = rope(x, 5, 100.0)
    angle = torch.tensor([5.0, 0.5], dtype=torch.float64)
    want = torch.stack([angle[0].cos(), angle[0].sin(), -angle[1].sin(), angle[1].cos()])
    assert (y[0] - want).abs().max() < 4 * EPS
    far = rope(x.float(), 10**7)
    assert (far - rope(x, 10**7)).abs().max() < 1e-6  # angles in float32 would be off by about 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("absorbed", [True, False])
def test_keeps_the_dtype(dtype, absorbed):
    exact = make(1, MLA, d=16, h=2, d_k=4, d_v=4, d_c=8, d_r=4, norm=True)
    low = make(1, MLA, d=16, h=2, d_k=4, d_v=4, d_c=8, d_r=4, norm=True).to(dtype)
    x = torch.randn(1, 9, 16).to(dtype)
    out = chunks(low, x, [5, 1, 1, 2], [{"absorbed": absorbed}])
    want = exact(x.double())
    assert out.dtype == dtype and (out - want).abs().max() < 30 * torch.finfo(dtype).eps * want.abs().max()


def test_gradients_reach_every_weight():
    for layer in (MLA(8, 2, 3, 3, 4, 2, 5, norm=True), GQA(8, 4, 2, 4, base=10.0)):
        x = torch.randn(1, 5, 8, dtype=torch.float64, requires_grad=True)
        layer = layer.double()
        layer(x).square().sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in (x, *layer.parameters()))


def test_two_forms_have_one_gradient():
    layer, x = MLA(8, 2, 3, 3, 4, 2).double(), torch.randn(1, 5, 8, dtype=torch.float64)
    grads = [
        torch.autograd.grad(layer(x, absorbed=absorbed).square().sum(), [*layer.parameters()])
        for absorbed in (True, False)
    ]
    assert all((a - b).abs().max() < 1e-12 for a, b in zip(*grads, strict=True))


LATENT = {"d": 8, "h": 2, "d_k": 4, "d_v": 4, "d_c": 6, "d_r": 2}


@pytest.mark.parametrize(
    ("what", "sizes", "error", "says"),
    [
        (GQA, {"d": 8, "h": 6, "g": 4, "d_k": 2}, ValueError, "h = 6 is not divisible by g = 4"),
        (GQA, {"d": 8, "h": 2, "g": 4, "d_k": 2}, ValueError, "h = 2 is not divisible by g = 4"),
        (GQA, {"d": 8, "h": 2, "g": 0, "d_k": 2}, ValueError, "g is 0"),
        (GQA, {"d": 8, "h": 2, "g": 1, "d_k": 3, "base": 10.0}, ValueError, "d_k is 3; it must be even"),
        (GQA, {"d": 8.0, "h": 2, "g": 1, "d_k": 2}, TypeError, "d is 8.0"),
        (GQA, {"d": 8, "h": True, "g": 1, "d_k": 2}, TypeError, "h is True"),
        (MLA, LATENT | {"d_r": 3}, ValueError, "d_r is 3; it must be even"),
        (MLA, LATENT | {"d_c": 0}, ValueError, "d_c is 0"),
        (MLA, LATENT | {"d_q": -1}, ValueError, "d_q is -1"),
        (MLA, LATENT | {"base": -1.0}, ValueError, "base is -1.0"),
        (GQA, {"d": 8, "h": 2, "g": 1, "d_k": 2, "base": float("nan")}, ValueError, "base is nan"),
        (Cache, {"batch": 1, "capacity": 0, "width": 4}, ValueError, "capacity is 0"),
        (Cache, {"batch": 1.5, "capacity": 3, "width": 4}, TypeError, "batch is 1.5"),
    ],
)
def test_bad_sizes_are_refused(what, sizes, error, says):
    with pytest.raises(error, match=says):
        what(**sizes)


def test_bad_rotations_are_refused():
    for x, says in (
        (torch.ones(2, 3), "even"),
        (torch.ones(4), "must be"),
        (torch.ones(2, 4).long(), "int64"),
        (3, "int"),
    ):
        with pytest.raises((TypeError, ValueError), match=says):
            rope(x)
    with pytest.raises(ValueError, match=r"base is 0"):
        rope(torch.ones(2, 4), 0, 0)
    with pytest.raises(TypeError, match=r"start is 1\.5"):
        rope(torch.ones(2, 4), 1.5)
    with pytest.raises(TypeError, match="base is None"):
        rope(torch.ones(2, 4), 1, None)


@pytest.mark.parametrize("layer", [MLA(**LATENT), GQA(8, 2, 1, 4)], ids=["MLA", "GQA"])
def test_what_does_not_fit_leaves_the_cache_as_it_was(layer):
    cache, other = layer.cache(2, 4), Cache(2, 4, 99)
    with torch.no_grad():
        layer(torch.ones(2, 3, 8), cache)
    before = cache.buffer.clone()
    for x, kept, error, says in [
        (torch.ones(2, 2, 8), cache, ValueError, "cache holds 3 of 4 tokens; 2 more do not fit"),
        (torch.ones(3, 1, 8), cache, ValueError, "the batch has 3 sequences; cache was made for 2"),
        (torch.ones(1, 1, 8), cache, ValueError, "the batch has 1 sequences"),
        (torch.ones(2, 1, 8), other, ValueError, "cache keeps 99 numbers a token"),
        (torch.ones(2, 1, 8), layer.cache(2, 4).rows, TypeError, "cache is Tensor"),
        (torch.ones(2, 1, 7), cache, ValueError, r"x has shape \(2, 1, 7\)"),
        (torch.ones(2, 8), cache, ValueError, "x has shape"),
        (torch.ones(2, 0, 8), cache, ValueError, "nothing empty"),
        (torch.ones(2, 1, 8).double(), cache, TypeError, "x is torch.float64"),
        (torch.ones(2, 1, 8) * torch.nan, cache, ValueError, "x holds NaN"),
        ([1.0], cache, TypeError, "x is list"),
        (torch.ones(2, 1, 8).double(), None, TypeError, "x is torch.float64"),
    ]:
        with torch.no_grad(), pytest.raises(error, match=says):
            layer(x, kept)
        assert cache.length == 3 and torch.equal(cache.buffer[:, :3], before[:, :3])
    with pytest.raises(ValueError, match=r"torch\.no_grad"):  # under autograd
        layer(torch.ones(2, 1, 8), cache)
    assert cache.length == 3 and not cache.buffer.requires_grad


def test_rows_that_do_not_fit_a_cache_are_refused():
    cache = Cache(2, 4, 3)
    cache.append(torch.ones(2, 1, 3))
    for new, error, says in [
        (torch.ones(2, 1, 4), ValueError, "new has shape"),
        (torch.ones(2, 3), ValueError, "new has shape"),
        (torch.ones(1, 1, 3), ValueError, "1 sequences"),
        (torch.ones(2, 4, 3), ValueError, "do not fit"),
        (torch.ones(2, 1, 3).double(), TypeError, "float64"),
        (None, TypeError, "new is NoneType"),
    ]:
        with pytest.raises(error, match=says):
            cache.append(new)
        assert cache.length == 1 and cache.rows.shape == (2, 1, 3)


def test_rope_is_the_complex_product():
    x = torch.randn(3, 6, dtype=torch.float64)
    want = lambda base, start: torch.view_as_real(
        torch.view_as_complex(x.unflatten(-1, (3, 2)))
        * torch.polar(
            torch.ones(3, 3).double(),
            torch.arange(start, start + 3).double()[:, None]
            * torch.tensor([base ** (-a / 3) for a in range(3)], dtype=torch.float64),
        )
    ).flatten(-2)
    assert (rope(x, 5, 100.0) - want(100.0, 5)).abs().max() < 1e-13
    assert (rope(x) - want(10_000.0, 0)).abs().max() < 1e-13
    assert (rope(x, 2**24 + 1) - want(10_000.0, 2**24 + 1)).abs().max() < 1e-6
    assert (rope(x.bfloat16(), 1001).double() - rope(x.bfloat16().double(), 1001)).abs().max() < 0.05
    with pytest.raises(TypeError, match="start is True"):
        rope(x, True)
    for bad in (True, math.inf):
        with pytest.raises((TypeError, ValueError), match=f"base is {bad}"):
            rope(x, 0, bad)


def test_init_and_defaults():
    torch.manual_seed(0)
    for layer in (GQA(64, 16, 4, 64), MLA(64, 16, 48, 64, 64, 16, 32), GQA(64, 8, 8, 15)):
        h, d_v, _ = layer.W_o.shape
        for name, W in layer.named_parameters():
            fan = h * d_v if name == "W_o" else W.shape[0]
            assert abs(W.std().item() * fan**0.5 - 1) < 0.1 and abs(W.mean().item()) * fan**0.5 < 0.1, name
    assert GQA(8, 2, 1, 4).width == 8 and GQA(8, 2, 1, 3).W_o.shape == (2, 3, 8)
    assert MLA(8, 2, 4, 4, 6, 2).base == 10_000.0 and isinstance(MLA(8, 2, 4, 4, 6, 2).norm_c, torch.nn.Identity)


@pytest.mark.parametrize("norm", [False, True])
def test_mla_rows_by_formula(norm):
    torch.manual_seed(0)
    rms = lambda a: a / (a.square().mean(-1, keepdim=True) + 1e-6).sqrt() if norm else a
    layer = MLA(12, 3, 4, 5, 7, 4, 6, norm=norm, base=50.0).double().requires_grad_(False)
    x, cache = torch.randn(1, 5, 12).double(), layer.cache(1, 5)
    out = layer(x, cache)
    c, k_r = (x[0] @ layer.W_c).split([7, 4], 1)
    c, k_r = rms(c), rope(k_r, 0, 50.0)
    assert (cache.rows[0] - torch.cat((c, k_r), 1)).abs().max() < 1e-12
    q = rms(x[0] @ layer.W_cq) @ layer.W_q.permute(1, 0, 2)
    q = torch.cat((q[..., :4], rope(q[..., 4:], 0, 50.0)), -1)
    k = torch.cat((c @ layer.W_k.permute(1, 0, 2), k_r.expand(3, -1, -1)), -1)
    p = (q @ k.mT / 8**0.5).masked_fill(torch.ones(5, 5).triu(1).bool(), -math.inf).softmax(-1)
    assert (out[0] - (p @ (c @ layer.W_v.permute(1, 0, 2)) @ layer.W_o).sum(0)).abs().max() < 1e-12
    small = x * 1e-3
    c = rms((small[0] @ layer.W_c)[:, :7])
    cache = layer.cache(1, 5)
    layer(small, cache)
    assert (cache.rows[0, :, :7] - c).abs().max() < 1e-12
    cache = layer.cache(1, 5)
    layer(x[:, :2], cache)
    layer(x[:, 2:], cache)
    k_r = rope((x[0] @ layer.W_c)[:, 7:], 0, 50.0)
    assert (cache.rows[0, :, 7:] - k_r).abs().max() < 1e-12


def test_absorbed_makes_no_keys(monkeypatch):
    seen = []
    monkeypatch.setattr(attention, "_attend", lambda q, k, v: seen.append(k.shape[1]) or _attend(q, k, v))
    layer, x = MLA(8, 2, 4, 4, 6, 2), torch.randn(1, 3, 8)
    layer(x, absorbed=True)
    layer(x)
    assert seen == [1, 2]


def test_more_is_refused():
    for what, kw, says in (
        (GQA, {"d": 8, "h": 2, "g": 1, "d_k": 2, "d_v": 0}, "d_v is 0"),
        (GQA, {"d": 8, "h": 2, "g": 1, "d_k": 0}, "d_k is 0"),
        (MLA, {"d": 8, "h": 2, "d_k": 0, "d_v": 4, "d_c": 6, "d_r": 2}, "d_k is 0"),
        (MLA, {"d": 8, "h": 2, "d_k": 4, "d_v": 4, "d_c": 6, "d_r": 0}, "d_r is 0"),
    ):
        with pytest.raises(ValueError, match=says):
            what(**kw)
    layer = GQA(8, 2, 1, 4).requires_grad_(False)
    with pytest.raises(TypeError, match="on meta"):
        layer(torch.ones(1, 1, 8, device="meta"))
    with pytest.raises(TypeError, match="on meta"):
        layer(torch.ones(1, 1, 8), Cache(1, 2, 8, device="meta"))
    with pytest.raises(TypeError, match="float64"):
        layer(torch.ones(1, 1, 8), Cache(1, 2, 8, dtype=torch.float64))
    with pytest.raises(ValueError, match="x holds"):
        layer(torch.full((1, 1, 8), math.inf))
    assert GQA(8, 2, 1, 4).to("meta").cache(1, 2).buffer.is_meta
    new = torch.ones(1, 1, 8, requires_grad=True)
    cache = Cache(1, 2, 8)
    with torch.no_grad():
        cache.append(new)
    assert rope(torch.ones(2, 4, device="meta")).is_meta


def test_nothing_false_is_kept():
    cache = GQA(8, 2, 1, 4).requires_grad_(False).cache(1, 4)
    cache.length = -1
    with pytest.raises(ValueError, match="cache holds -1"):
        cache.append(torch.ones(1, 1, 8))
    for s in (2**52, -(2**52), 2**53, 2**53 + 1, 10**30):
        with pytest.raises(ValueError, match="start is"):
            rope(torch.ones(1, 4), s)
    with pytest.raises(ValueError, match="base is"):
        rope(torch.ones(2, 4), 0, 10**400)
    layer = GQA(8, 4, 2, 4).requires_grad_(False)
    layer.W_q[0, 0, 0] = math.nan
    cache = layer.cache(1, 4)
    with pytest.raises(ValueError, match="NaN"):
        layer(torch.ones(1, 1, 8), cache)
    assert cache.length == 0
    low = GQA(8, 4, 2, 4).half().requires_grad_(False)
    cache = low.cache(1, 4)
    with pytest.raises(ValueError, match="NaN"):
        low(torch.full((1, 1, 8), 65504.0).half(), cache)
    assert cache.length == 0


def test_rope_rounds_16_bits_once():
    torch.manual_seed(0)
    x = torch.randn(600, 32).bfloat16()
    assert torch.equal(rope(x, 7), rope(x.float(), 7).bfloat16())
    x = torch.zeros(550, 32).bfloat16()
    x[549, 16], x[549, 17] = 0.765625, 0.76953125
    assert abs(rope(x)[549, 17].item() + 0.00568) < 3e-5


@pytest.mark.parametrize(
    ("layer", "form"), [(MLA(**LATENT), {}), (MLA(**LATENT), {"absorbed": True}), (GQA(8, 2, 1, 4), {})]
)
def test_a_layers_cache_fits_under_autocast(layer, form):
    x = torch.randn(2, 5, 8)
    with torch.no_grad():
        want = layer(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            cache = layer.cache(2, 5)
            got = torch.cat([layer(part, cache, **form) for part in x.split([3, 2], 1)], 1)
    assert cache.length == 5 and cache.buffer.dtype == torch.float32
    assert (got - want).abs().max() < 0.03 * want.abs().max()


def yarn_config(mscale, fast):
    from transformers.models.deepseek_v3 import modeling_deepseek_v3 as deepseek

    rope_parameters = {
        "rope_type": "yarn", "rope_theta": 10_000.0, "factor": 40.0, "original_max_position_embeddings": 4096,
        "beta_fast": fast, "beta_slow": 1.0, "mscale": mscale, "mscale_all_dim": mscale,
    }  # fmt: skip
    sizes = {"hidden_size": 8, "num_attention_heads": 2, "num_key_value_heads": 2, "qk_nope_head_dim": 4}
    config = deepseek.DeepseekV3Config(**sizes, qk_rope_head_dim=64, rope_parameters=rope_parameters)
    return deepseek.DeepseekV3RotaryEmbedding(config), deepseek.DeepseekV3Attention(config, 0).scaling * 68**0.5


@pytest.mark.parametrize(("mscale", "fast"), [(1.0, 32.0), (0.707, 16.0)])
def test_yarn_has_the_frequencies_and_the_scale_of_transformers(mscale, fast):
    rotary, scale = yarn_config(mscale, fast)
    yarn = Yarn(40, fast=fast, mscale=mscale)
    assert (rotary.inv_freq.double() / yarn.frequencies(64, 1e4) - 1).abs().max() < 1e-6
    assert rotary.attention_scaling == 1 and abs(yarn.scale / scale - 1) < 1e-12
    assert abs(Yarn(1).scale - 1) == 0 and torch.equal(
        Yarn(1).frequencies(6, 9.0), 9 ** -(torch.arange(3).double() / 3)
    )


def test_yarns_last_pair_is_slowed_down_where_all_pairs_turn_often():
    # base 10, size 8: the pair that would turn once has the number 11.3, and the ramp ends at 7, as in transformers
    theirs = 10 ** -(torch.arange(4).double() / 4) * (1 - torch.arange(4).double() / 7 * (1 - 1 / 40))
    assert (Yarn(40, fast=4096).frequencies(8, 10.0) / theirs - 1).abs().max() < 1e-12


def test_yarn_turns_and_scales_both_forms():
    layer = make(2, MLA, d=12, h=3, d_k=4, d_v=5, d_c=7, d_r=4, d_q=6, yarn=Yarn(8, original=16)).double()
    x = torch.randn(1, 6, 12, dtype=torch.float64)
    q = (x[0] @ layer.W_cq @ layer.W_q.permute(1, 0, 2)) * layer.yarn.scale
    c, k_r = (x[0] @ layer.W_c).split([7, 4], 1)
    k_r = rope(k_r, 0, 1e4, layer.yarn)
    scores = q[..., :4] @ (c @ layer.W_k.permute(1, 0, 2)).mT + rope(q[..., 4:], 0, 1e4, layer.yarn) @ k_r.T
    p = (scores / 8**0.5).masked_fill(torch.ones(6, 6).triu(1).bool(), -math.inf).softmax(-1)
    want = (p @ (c @ layer.W_v.permute(1, 0, 2)) @ layer.W_o).sum(0)
    for form in (True, False):
        assert (layer(x, absorbed=form)[0] - want).abs().max() < 1e-12
    angle = 5 * layer.yarn.frequencies(4, 1e4)
    y = rope(torch.tensor([[1.0, 0.0, 0.0, 1.0]], dtype=torch.float64), 5, 1e4, layer.yarn)[0]
    assert (y - torch.stack([angle[0].cos(), angle[0].sin(), -angle[1].sin(), angle[1].cos()])).abs().max() < 1e-12


@pytest.mark.parametrize(
    ("yarn", "error", "says"),
    [
        (40, TypeError, "yarn is int"),
        (Yarn(0.5), ValueError, "factor ≥ 1"),
        (Yarn(math.inf), ValueError, "factor ≥ 1"),
        (Yarn(40, original=0), ValueError, "original ≥ 1"),
        (Yarn(40, slow=0), ValueError, "0 < slow"),
        (Yarn(40, fast=0.5), ValueError, "slow ≤ fast"),
        (Yarn("40"), TypeError, "factor of yarn is '40'"),
        (Yarn(40, mscale=True), TypeError, "mscale of yarn is True"),
    ],
)
def test_bad_yarn_is_refused(yarn, error, says):
    with pytest.raises(error, match=says):
        MLA(**LATENT, yarn=yarn)
    with pytest.raises(error, match=says):
        rope(torch.zeros(2, 4), yarn=yarn)
    with pytest.raises(ValueError, match="base > 1"):
        MLA(**LATENT, yarn=Yarn(40), base=1)
