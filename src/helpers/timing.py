"""Time functions against each other, on one thread."""

import statistics
import time

from tqdm import tqdm


def medians(*runs, rounds: int) -> list[float]:
    """Median processor time of each of `runs` on this thread, taken in turns after a warm-up round.

    Args:
        runs: one or more functions, called without arguments.
        rounds: how often each is timed, an integer ≥ 1.

    Returns:
        Seconds, in the order of `runs`.

    Raises:
        TypeError, ValueError: an argument that is not so, named.
    """
    if not all(map(callable, runs)) or not runs:
        raise (TypeError if runs else ValueError)(f"runs is {runs}; it must be one or more functions")
    if type(rounds) is not int or rounds < 1:
        raise (ValueError if type(rounds) is int else TypeError)(f"rounds is {rounds!r}; it must be an integer ≥ 1")
    times = [[] for _ in runs]
    for _ in tqdm(range(rounds + 1), leave=False):
        for run, kept in zip(runs, times, strict=True):
            start = time.thread_time()
            run()
            kept.append(time.thread_time() - start)
    return [statistics.median(kept[1:]) for kept in times]
