"""Start a chapter that passes, from chapter.ipynb: a notebook, its place in the contents, its card on the front page.

Usage: new.py NN NAME PREFIX, as in: new.py 09 odd_numbers odd
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main(number="", name="", prefix=""):
    for what, value, pattern in [("N", number, r"\d\d"), ("NAME", name, "[a-z0-9_]+"), ("PREFIX", prefix, "[a-z0-9]+")]:
        if not re.fullmatch(pattern, value):
            sys.exit(f"{what} is {value!r}; it must match {pattern}, as in: make new N=09 NAME=odd_numbers PREFIX=odd")
    if taken := sorted(ROOT.glob(f"notebooks/{number}_*.ipynb")):
        sys.exit(f"{taken[0].name} is there already; take another number.")
    title, document = name.replace("_", " ").capitalize(), f"notebooks/{number}_{name}"
    text = (ROOT / "book/chapter.ipynb").read_text("utf-8").replace("PREFIX", prefix).replace("TITLE", title)
    (ROOT / f"{document}.ipynb").write_text(text, "utf-8")
    part = f"  - caption: {title}\n    numbered: 1\n    chapters:\n      - file: {document}\n"
    insert("_toc.yml", part, before="  - caption: Back matter")
    insert("book/intro.md", f"{document} fig-{prefix}-opening Its question?\n", before="```\n\n## Where to begin")
    print(f"{document}.ipynb is there, in _toc.yml and in book/intro.md. Next: make fix chapter N={number}")


def insert(file, text, *, before):
    path = ROOT / file
    path.write_text(path.read_text("utf-8").replace(before, text + before, 1), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
