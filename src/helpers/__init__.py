"""The helpers of *Derive, Then Check*: run a claim, show its error, move a slider.

The author's tools come through one door, `from helpers import check, explore, show, seed`: `check` compares two
routes to one quantity, `show` and `explore` make pictures (`explore` with sliders that work without a kernel), `seed`
is the one seed of the book. Beside them: `timing` (what takes how long), `browser` (where one is, and a server for
it), and one small module for each chapter's reusable mathematics.
"""

from helpers import check
from helpers.explore import explore, show
from helpers.seed import seed

__all__ = ["check", "explore", "seed", "show"]
