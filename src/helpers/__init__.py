"""The helpers of *Derive, Then Check*: run a claim, show its error, move a picture.

The author's tools come through one door, `from helpers import check, explore, predict, seed, show, sketch, TERMS`:
`check` compares two routes to one quantity; `show`, `explore` and `sketch` make pictures (still, moved from frame to
frame, computed where they are seen) in which `TERMS` are the colours of what a chapter names; `predict` asks before
the text tells; `seed` is the one seed of the book. Beside them: `timing` (what takes how long), `browser` (where one
is, and a server for it), and one small module for each chapter's reusable mathematics.
"""

from helpers import check
from helpers.check import TERMS
from helpers.explore import explore, show
from helpers.predict import predict
from helpers.seed import seed
from helpers.sketch import sketch

__all__ = ["TERMS", "check", "explore", "predict", "seed", "show", "sketch"]
