"""helpers.timing with a clock that only the timed functions move."""

import pytest

from helpers import timing
from helpers.timing import medians


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0
        thread_time = lambda self: self.now

    monkeypatch.setattr(timing, "time", clock := Clock())
    return clock


def spends(clock, seconds, called, name):
    """A function that takes the next of `seconds` at each call."""
    left = iter(seconds)

    def run():
        clock.now += next(left)
        called.append(name)

    return run


def test_medians_in_turns_without_the_warm_up(clock):
    called = []
    a = spends(clock, [64.0, 1.0, 16.0, 2.0], called, "a")
    b = spends(clock, [0.0, 8.0, 0.5, 4.0], called, "b")
    assert medians(a, b, rounds=3) == [2.0, 4.0]
    assert called == ["a", "b"] * 4


def test_an_even_number_of_rounds_and_a_single_one(clock):
    assert medians(spends(clock, [64.0, 1.0, 2.0], [], "a"), rounds=2) == [1.5]
    assert medians(spends(clock, [64.0, 0.25], [], "a"), rounds=1) == [0.25]


@pytest.mark.parametrize(
    ("runs", "rounds", "error", "says"),
    [
        ((), 3, ValueError, r"runs is \(\); it must be one or more functions"),
        ((len, 7), 3, TypeError, "runs is .*7"),
        ((3,), 1, TypeError, "runs is .*3"),
        ((dict,), 0, ValueError, "rounds is 0; it must be an integer"),
        ((dict,), -1, ValueError, "rounds is -1"),
        ((dict,), 2.0, TypeError, r"rounds is 2\.0"),
        ((dict,), True, TypeError, "rounds is True"),
    ],
)
def test_refuses(runs, rounds, error, says):
    with pytest.raises(error, match=says):
        medians(*runs, rounds=rounds)


def test_an_error_in_a_run_comes_through():
    with pytest.raises(ZeroDivisionError):
        medians(lambda: 1 / 0, rounds=1)
