"""Are the maps of chapter 3 fast enough? One thread, float32; the entmax package's full sort ÷ ours, medians.

Run with `make bench`. Forward alone, and forward and backward; values and gradients are compared in the same run.
"""

import sys
from functools import partial

import entmax
import torch

from helpers import simplex
from helpers.timing import medians

BARS = {(64, 50): (1, 1), (256, 1000): (3, 2), (64, 32000): (3, 2)}  # shape: least ratio forward, and with backward
ROUNDS = {50: 2000, 1000: 40, 32000: 9}
PAIRS = {
    "sparsemax": (simplex.sparsemax, lambda x: entmax.sparsemax(x, dim=-1, k=None)),
    "entmax-1.5": (simplex.entmax, lambda x: entmax.entmax15(x, dim=-1, k=None)),
}


def run(f, x, dp):
    """Forward, and backward if x asks for it."""
    p = f(x)
    if x.requires_grad:
        torch.autograd.grad(p, x, dp)


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    met = []
    for shape, bars in BARS.items():
        x, dp = torch.randn(shape), torch.randn(shape)
        leaf = x.clone().requires_grad_()
        for name, pair in PAIRS.items():
            ps = [f(leaf) for f in pair]
            gs = [torch.autograd.grad(p, leaf, dp)[0] for p in ps]
            off = max(float((a - b).detach().abs().max()) for a, b in (ps, gs))
            ratios = []
            for at in (x, leaf):
                ours, theirs = medians(*(partial(run, f, at, dp) for f in pair), rounds=ROUNDS[shape[1]])
                ratios.append(theirs / ours)
            met.append(off < 2e-5 and all(r >= bar for r, bar in zip(ratios, bars, strict=True)))
            print(
                f"{name:10s} {shape!s:12s} forward {ratios[0]:5.2f} (bar ≥ {bars[0]}), "
                f"with backward {ratios[1]:5.2f} (bar ≥ {bars[1]}); values and gradients differ {off:.0e}"
            )
    sys.exit(0 if all(met) else "A bar was missed.")


if __name__ == "__main__":
    main()
