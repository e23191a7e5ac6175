"""The one seed of the book."""

import os


def seed() -> int:
    """The value of the environment variable BOOK_SEED, 0 where it is not set.

    Every random generator of the book starts from it, so that `BOOK_SEED=1` moves them all.

    Raises:
        ValueError: BOOK_SEED is not an integer in [0, 2**32), the range that numpy and torch share.
    """
    text = os.environ.get("BOOK_SEED", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 2**32):
        raise ValueError(f"BOOK_SEED is {text!r}; it must be an integer from 0 to {2**32 - 1}")
    return int(text)
