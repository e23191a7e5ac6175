"""What the chapters that ship trained networks share: Adam, the Fréchet distance, and the command behind a file."""

import argparse
import sys

import numpy as np
import torch


def adam(g, memory, k, fresh=(0.1, 0.001)):
    """Adam's k-th direction for the gradient g, entry by entry, so also for many networks at once.

    `memory` is a pair of tensors like g, zeros before k = 1, which is changed. `fresh` holds 1 − β_1 and 1 − β_2; their
    default and ε are torch's. After Kingma & Ba (2015).
    """
    m, v = memory
    m.lerp_(g, fresh[0])
    v.mul_(1 - fresh[1]).addcmul_(g, g, value=fresh[1])
    keep = [1 - (1 - share) ** k for share in fresh]
    return m / keep[0] / ((v / keep[1]).sqrt() + 1e-8)


def frechet(m, C, n, D):
    """Fréchet distance, squared, of Gaussians with the means m, n (…, d) and the covariances C, D (…, d, d): (…)."""
    trace = lambda M: M.diagonal(dim1=-2, dim2=-1).sum(-1)
    half = root(D)
    cross = torch.linalg.eigvalsh(half @ C @ half).clamp(min=0).sqrt().sum(-1)
    return (m - n).square().sum(-1) + trace(C) + trace(D) - 2 * cross


def root(C):
    """The symmetric root of covariances (…, d, d)."""
    w, V = torch.linalg.eigh(C)
    return (V * w.clamp(min=0).sqrt()[..., None, :]) @ V.mT


def command(make, differences):
    """Make anew what a chapter ships and write it to FILE; or, with --compare SHIPPED, tell how two such files differ.

    `make(file)` gives the arrays, by name; `differences(made, shipped)`, of the arrays of two files, gives {what:
    (difference, what is allowed)}.
    """
    parser = argparse.ArgumentParser(description=command.__doc__.split("\n")[0])
    parser.add_argument("file")
    parser.add_argument("--compare", metavar="SHIPPED")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.compare:
        return np.savez_compressed(options.file, **make(options.file))
    off = differences(*(dict(np.load(file)) for file in (options.file, options.compare)))
    off = {what: pair for what, pair in off.items() if not pair[0] <= pair[1]}  # a NaN is no agreement
    return sys.exit(f"It differs by more than is allowed: {off}" if off else 0)
