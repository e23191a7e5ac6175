"""Start a chapter that passes: a notebook, its place in the contents, its card. Usage: new.py NN NAME PREFIX"""

import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
CELLS = [
    (
        "title",
        "",
        "# TITLE\n\n*How many odd numbers make a square?*\n\nSay in two or three plain sentences what this chapter is about, "
        "and whose essay it stands on {footcite:p}`kexue`.",
    ),
    (
        "setup",
        "machinery",
        "import matplotlib.pyplot as plt\nimport numpy as np\nfrom helpers import check, explore, seed\n\n"
        'plt.style.use("helpers.book")\nrng = np.random.default_rng(seed())',
    ),
    (
        "opening",
        "machinery",
        "def opening(n):\n    fig, ax = plt.subplots(figsize=(4, 4))\n"
        "    ax.imshow(np.maximum.outer(np.arange(n), np.arange(n)) % 2, vmax=1)\n"
        "    ax.set(xticks=[], yticks=[])\n    ax.grid(False)\n    return fig\n\n\n"
        'explore(\n    opening,\n    label="fig-PREFIX-opening",\n'
        '    caption="Move $n$: each corner adds the next odd number of cells, and the whole stays a square.",\n'
        '    alt="a square of {n} times {n} cells in nested corners",\n    start={"n": 5},\n    n=list(range(1, 9)),\n)',
    ),
    (
        "claim",
        "",
        "## The first question\n\nDerive the result here, every step. Count the cells of {numref}`fig-PREFIX-opening`:\n\n"
        "$$\n\\sum_{k=1}^n(2k-1)=n^2 .\n$$ (eq-PREFIX-squares)\n\n"
        "```{prf:property} Odd numbers make squares\n:label: PREFIX-squares\n\n{eq}`eq-PREFIX-squares` holds for all $n$.\n```",
    ),
    ("idea", "", "def odd_sum(n):\n    return sum(2 * k - 1 for k in range(1, n + 1))"),
    (
        "how",
        "",
        "```{admonition} How it was checked\n:class: check\n\nIntegers are exact, so nothing is allowed.\n```",
    ),
    (
        "checked",
        "check",
        "sizes = rng.integers(1, 100, size=20)\n"
        'check.close("PREFIX-squares", [odd_sum(n) for n in sizes], sizes**2, atol=0)',
    ),
    (
        "broken",
        "broken",
        'check.fails(\n    "PREFIX-squares",\n    [odd_sum(n + 1) for n in sizes],\n    sizes**2,\n    atol=0,\n'
        '    broken="one odd number too many",\n)',
    ),
    ("breaks", "", "## What the essay says, and what held\n\n## Where it breaks\n\n## Against a peer\n\n## Exercises"),
]
EXERCISE = "```{exercise} Question NUMBER\n:label: ex-PREFIX-NUMBER\n\nAsk something that teaches.\n```"
SOLUTION = "````{solution} ex-PREFIX-NUMBER\n:class: dropdown\n\nAnswer it.\n````"
END = "## What was verified\n\n```{ledger}\n```\n\n## References\n\n```{footbibliography}\n```"


def main(number, name, prefix):
    for what, value, pattern in [
        ("N", number, r"\d\d"),
        ("NAME", name, r"[a-z0-9_]+"),
        ("PREFIX", prefix, "[a-z0-9]+"),
    ]:
        if not re.fullmatch(pattern, value):
            sys.exit(
                f"{what} is {value!r}; it must be like {pattern}, as in: make new N=09 NAME=odd_numbers PREFIX=odd"
            )
    path = ROOT / f"notebooks/{number}_{name}.ipynb"
    if taken := [*ROOT.glob(f"notebooks/{number}_*")]:
        sys.exit(f"{taken[0].name} is there already; take another number.")
    exercises = [
        (f"{kind}-{n}", "", text.replace("NUMBER", str(n)))
        for n in range(1, 6)
        for kind, text in (("exercise", EXERCISE), ("solution", SOLUTION))
    ]
    title = name.replace("_", " ").capitalize()
    cells = []
    for id, rank, text in [*CELLS, *exercises, ("end", "", END)]:
        text = text.replace("PREFIX", prefix).replace("TITLE", title)
        code = rank or id == "idea"
        cell = (nbformat.v4.new_code_cell if code else nbformat.v4.new_markdown_cell)(text, id=id)
        if rank:
            cell.metadata = {"jupyter": {"source_hidden": True}, "tags": [rank]}
        cells.append(cell)
    [cell for cell in cells if cell.cell_type == "code"][-1].metadata["nbmake"] = {
        "post_cell_execute": ["%run ../tests/sliders.py"]
    }
    notebook = nbformat.v4.new_notebook(cells=cells)
    some = nbformat.read(min(ROOT.glob("notebooks/*.ipynb")), as_version=4)
    notebook.metadata = {key: some.metadata[key] for key in ("kernelspec", "language_info")}
    nbformat.write(notebook, path)
    document = f"notebooks/{path.stem}"
    insert(
        "_toc.yml",
        "  - caption: Back matter",
        f"  - caption: {title}\n    numbered: 1\n    chapters:\n      - file: {document}\n",
    )
    insert(
        "book/intro.md",
        "```\n\n## Where to begin",
        f"{document} fig-{prefix}-opening How many odd numbers make a square?\n",
    )
    print(f"{path.relative_to(ROOT)} is there, in _toc.yml and in book/intro.md. Next: make fix chapter N={number}")


def insert(file, before, text):
    path = ROOT / file
    path.write_text(path.read_text("utf-8").replace(before, text + before, 1), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
