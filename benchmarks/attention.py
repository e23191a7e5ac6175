"""Are the layers of chapter 2 fast enough? One thread, float32, DeepSeek-V2-Lite's sizes (h = 16); ratios of medians.

Run with `make bench`. Each line shows a ratio of times measured in turns, and the bar it is held to.
"""

import sys
from functools import partial

import torch
from transformers.models.deepseek_v3 import modeling_deepseek_v3 as deepseek

from helpers.attention import GQA, MLA
from helpers.timing import medians

D, H, SIZE, D_C, D_R = 2048, 16, 128, 512, 64
LEAST = {4096: 1.5, 16384: 1.5}  # context: how many times what none can avoid the absorbed step may take
KEPT = {256: 2, 1024: 2, 4096: 2}  # context: by what factor MHA with kept keys may be slower or faster than absorbed
DECODE = {256: 2, 1024: 5, 4096: 12}  # context: re-expansion must take so many times as long as the absorbed form
PREFILL = {64: 1.1, 256: 1.1, 1024: 1.1}  # length: the MHA form may take so many times as long as transformers' layer


def peer(layer):
    """transformers' attention with the layer's weights."""
    sizes = {"hidden_size": D, "num_attention_heads": H, "num_key_value_heads": H, "num_hidden_layers": 1}
    keys = {"qk_rope_head_dim": D_R, "qk_nope_head_dim": SIZE, "v_head_dim": SIZE}
    config = deepseek.DeepseekV3Config(**sizes, **keys, q_lora_rank=None, kv_lora_rank=D_C)
    config._attn_implementation = "sdpa"
    theirs = deepseek.DeepseekV3Attention(config, 0)
    theirs.q_proj.weight.copy_(layer.W_q.flatten(1).T)
    theirs.kv_a_proj_with_mqa.weight.copy_(layer.W_c.T)
    theirs.kv_b_proj.weight.copy_(torch.cat((layer.W_k, layer.W_v), -1).flatten(1).T)
    theirs.o_proj.weight.copy_(layer.W_o.flatten(0, 1).T)
    return theirs, deepseek.DeepseekV3RotaryEmbedding(config)


def differ(got, want):
    return float((got - want).norm() / want.norm())


def full(layer, context):
    """A cache of random rows."""
    cache = layer.cache(1, context)
    cache.buffer.normal_()
    return cache


def step(layer, cache, x, **form):
    """What the layer makes of one token, the last that fits into the cache."""
    cache.length = cache.buffer.shape[1] - 1
    return layer(x, cache, **form)


def bare(q, p, rows, pairs):
    """The two products with the cache, and each weight read once."""
    return q @ rows.T, p @ rows[:, :D_C], [a @ W for a, W in pairs]


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    layer, ordinary, met = MLA(D, H, SIZE, SIZE, D_C, D_R, norm=True), GQA(D, H, H, SIZE), []
    for context, bar in DECODE.items():
        one = partial(step, layer, full(layer, context), torch.randn(1, 1, D))
        off = differ(one(absorbed=True), one(absorbed=False))
        expanded, absorbed = medians(partial(one, absorbed=False), partial(one, absorbed=True), rounds=15)
        seen = expanded / absorbed
        met.append(seen >= bar and off < 1e-5)
        print(
            f"decode, context {context:4d}: re-expansion ÷ absorbed {seen:5.2f} (bar ≥ {bar}); outputs differ {off:.0e}"
        )
    for context, bar in KEPT.items():
        x = torch.randn(1, 1, D)
        kept = partial(step, ordinary, full(ordinary, context), x)
        mha, absorbed = medians(kept, partial(step, layer, full(layer, context), x, absorbed=True), rounds=15)
        met.append(1 / bar <= mha / absorbed <= bar)
        print(f"decode, context {context:5d}: MHA ÷ absorbed {mha / absorbed:5.2f} (bar: 1/{bar} to {bar})")
    pairs = [(torch.randn(1, W.shape[0]), W) for W in (layer.W_q.flatten(1), layer.W_c, layer.W_o.flatten(0, 1))]
    pairs.append((torch.randn(H, 1, SIZE), layer.W_k.permute(1, 2, 0)))
    pairs.append((torch.randn(H, 1, D_C), layer.W_v.transpose(0, 1)))
    for context, bar in LEAST.items():
        cache = full(layer, context)
        least = partial(bare, torch.randn(H, D_C + D_R), torch.rand(H, context), cache.buffer[0], pairs)
        least, absorbed = medians(least, partial(step, layer, cache, torch.randn(1, 1, D), absorbed=True), rounds=25)
        met.append(absorbed / least <= bar)
        print(f"decode, context {context:5d}: absorbed ÷ what none avoids {absorbed / least:5.2f} (bar ≤ {bar})")
    theirs, rotary = peer(layer)
    for length, bar in PREFILL.items():
        x = torch.randn(1, length, D)
        angles = rotary(x, torch.arange(length)[None])
        off = differ(layer(x), theirs(x, angles, None)[0])
        mine, peers = medians(partial(layer, x), partial(theirs, x, angles, None), rounds=9)
        seen = mine / peers
        met.append(seen <= bar and off < 1e-5)
        print(f"prefill, {length:4d} tokens: ours ÷ transformers' {seen:6.2f} (bar ≤ {bar}), outputs differ {off:.0e}")
    sys.exit(0 if all(met) else "A bar was missed.")


if __name__ == "__main__":
    main()
