"""Is the interpolative decomposition of chapter 4 fast enough? One thread; ratios of medians, errors beside them.

Run with `make bench`. Pivoting and column sampling against SciPy's deterministic path; the greedy choice against
LAPACK's complete pivoted QR.
"""

import sys
from functools import partial

import numpy as np
from scipy.linalg import qr
from scipy.linalg.interpolative import interp_decomp
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits

from helpers.interpolative import interpolative_decomposition
from helpers.timing import medians

SEEDS = 9  # draws of the sample; the worst counts


def slow_decay(n, rng):
    """(n, n) with singular values i^(−1/2)."""
    U, V = (qr(rng.normal(size=(n, n)))[0] for _ in range(2))
    return U / np.sqrt(1 + np.arange(n)) @ V


def loss(M, rank):
    """Largest error of column sampling ÷ the error of SciPy's deterministic path."""
    order, projection = interp_decomp(M, rank, rand=False)
    theirs = np.linalg.norm(M[:, order[rank:]] - M[:, order[:rank]] @ projection)
    found = (interpolative_decomposition(M, rank, "sample", seed=seed) for seed in range(SEEDS))
    return max(np.linalg.norm(M - M[:, S] @ Z) for S, Z in found) / theirs


def main():
    rng, met = np.random.default_rng(0), []
    for n in (1000, 2000):
        M = slow_decay(n, rng)
        peer = partial(interp_decomp, M, 50, rand=False)
        pivoted = partial(interpolative_decomposition, M, 50)
        sample = partial(interpolative_decomposition, M, 50, "sample", seed=0)
        theirs, pivoting, ours = medians(peer, pivoted, sample, rounds=25)
        same, worse = np.array_equal(pivoted()[0], peer()[0][:50]), loss(M, 50)
        met.append(theirs >= 8 * pivoting and same)
        print(f"{n}², rank 50: SciPy ÷ pivoted {theirs / pivoting:5.1f} (bar ≥ 8); the same columns: {same}")
        met.append(theirs >= 10 * ours and worse <= 1.6)
        print(
            f"{n}², rank 50: SciPy ÷ column sampling {theirs / ours:5.1f} (bar ≥ 10); error × {worse:.2f} (bar ≤ 1.6)"
        )
    pixels = load_digits().data
    for name, M in (("digits", pixels), ("digits, transposed", pixels.T)):
        worse = loss(M, 20)
        met.append(worse <= 1.6)
        print(f"{name}, rank 20: error of column sampling ÷ SciPy's {worse:.2f} (bar ≤ 1.6)")
    for name, M in (("slow decay", slow_decay(500, rng)), ("Gaussian", rng.normal(size=(500, 500)))):
        greedy, pivoted = partial(interpolative_decomposition, M, 20, "greedy"), partial(qr, M, mode="r", pivoting=True)
        ours, theirs = medians(greedy, pivoted, rounds=25)
        met.append(ours <= 3 * theirs)
        print(f"500², rank 20, {name}: greedy ÷ pivoted QR {ours / theirs:.2f} (bar ≤ 3)")
    sys.exit(0 if all(met) else "A bar was missed.")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
