"""Are the maps of chapter 3 fast enough? One thread, float32, medians: the entmax package at its best k ÷ ours.

Run with `make bench`. Forward alone, and forward and backward; values and gradients are compared in the same run.
Beside each ratio stands ours ÷ torch.softmax, which is told and has no bar.
"""

import sys
from functools import partial
from itertools import product

import entmax
import torch

from helpers import simplex
from helpers.timing import medians

BARS = {(64, 50): 1, (256, 1000): 2, (64, 32000): 1.2}  # shape: least ratio for logits of scale 1; for 0.1 it is 1
ROUNDS = {50: 600, 1000: 40, 32000: 7}
KS = (None, 16, 32, 64, 128)  # how many the package sorts at first; None: all
MAPS = {"sparsemax": (simplex.sparsemax, entmax.sparsemax), "entmax-1.5": (simplex.entmax, entmax.entmax15)}


def run(f, x, dp):
    """Forward, and backward if x asks for it."""
    p = f(x)
    return p, torch.autograd.grad(p, x, dp)[0] if x.requires_grad else p


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    met = []
    for scale, shape, name in product((1, 0.1), BARS, MAPS):
        ours, theirs = MAPS[name]
        bar, rounds = BARS[shape] if scale == 1 else 1, ROUNDS[shape[1]]
        x, dp = scale * torch.randn(shape), torch.randn(shape)
        leaf = x.clone().requires_grad_()
        (p, g), (q, h) = run(ours, leaf, dp), run(theirs, leaf, dp)
        off = max((p - q).detach().abs().max(), (g - h).abs().max()).item()
        told = []
        for at in (x, leaf):
            time = lambda maps, rounds, at=at, dp=dp: medians(*(partial(run, f, at, dp) for f in maps), rounds=rounds)
            peers = [partial(theirs, dim=-1, k=k) for k in KS if not k or k < shape[1]]
            tried = time(peers, rounds // 3)
            best = peers[tried.index(min(tried))]
            mine, peer, softmax = time((ours, best, partial(torch.softmax, dim=-1)), rounds)
            met.append(off < 2e-5 and peer / mine >= bar)
            told.append(f"{peer / mine:5.2f} (its k {best.keywords['k']!s:4s}; ours {mine / softmax:4.1f} × softmax)")
        print(
            f"{name:10s} {shape!s:12s} scale {scale:<3} bar {bar:<3}: forward {told[0]}, with backward {told[1]}; "
            f"values and gradients differ {off:.0e}"
        )
    sys.exit(0 if all(met) else "A bar was missed.")


if __name__ == "__main__":
    main()
