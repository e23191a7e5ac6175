"""The usual mistakes of authors that nothing else notices, each told with its file, cell and line."""

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
TAKE = "take default_rng(seed())"
# What is wrong in a code cell, line by line; what to do.
CODE = [
    (r"(?<![\w.])print\(", "prints, which is no part of a page: end the cell with Markdown(…) or a check"),
    (r"\b(default_rng|manual_seed)\(\s*(\d+\s*)?\)", "starts a generator without seed(): BOOK_SEED would not move it"),
    (r"\bnp\.random\.(?!default_rng|Generator|SeedSequence)\w", f"draws from numpy's global generator: {TAKE}"),
    (r"(?<![\w.])random\.(random|choice|shuffle|sample|randint)\(", f"draws from Python's generator: {TAKE}"),
]
TORCH = re.compile(r"\btorch\.(rand|randn|randint|randperm|normal|bernoulli|multinomial|nn\.)")
FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,}|:{3,})(.*)$")


def read(app, docname, source):
    """Look at the cells of a notebook before it is parsed."""
    if app.env.doc2path(docname).endswith(".ipynb"):
        cells = json.loads(source[0])["cells"]
        texts = ["".join(cell["source"]) for cell in cells]
        for n, (cell, text) in enumerate(zip(cells, texts, strict=True), 1):
            tell = lambda line, what, n=n: LOGGER.warning(what, location=(docname, 10_000 * n + line), type="mistake")
            if re.fullmatch("[0-9a-f]{8}", cell.get("id", "")):
                tell(1, "the cell has a random id: name it, for links and messages")
            for line, what in code(text) if cell["cell_type"] == "code" else fences(text):
                tell(line, what)
        if any(map(TORCH.search, texts)) and not any("manual_seed(seed())" in text for text in texts):
            LOGGER.warning("torch draws and no cell has torch.manual_seed(seed())", location=docname, type="mistake")


def code(text):
    for number, line in enumerate(text.splitlines(), 1):
        yield from ((number, what) for pattern, what in CODE if re.search(pattern, line.partition("#")[0]))


def fences(text):
    """Fences that are opened and never closed. The outermost that a line can close is closed by it, with all within."""
    waiting, open_ = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if found := FENCE.match(line):
            mark, rest = found.groups()
            closed = [n for n, (other, _) in enumerate(waiting) if not rest.strip() and mark.startswith(other)]
            if closed:
                open_ += waiting[closed[0] + 1 :]
                del waiting[closed[0] :]
            else:
                waiting.append((mark, number))
    return [(number, f"the fence {mark} is never closed: close it with {mark}") for mark, number in open_ + waiting]


def bare_figures(app, doctree):
    """A figure without `show` has no number, no caption, and its file name for an alternative text."""
    for image in doctree.findall(nodes.image):
        parent = image.parent
        while parent is not None and parent.get("nb_element") != "cell_code":
            parent = parent.parent
        if parent is not None:
            LOGGER.warning(
                "a figure is shown without show(fig, label=…, caption=…, alt=…)", location=parent, type="mistake"
            )


def left_out(app, env):
    """Notebooks that are in no table of contents, also where one chapter is built alone."""
    listed = Path(app.srcdir, "_toc.yml").read_text("utf-8")
    for path in sorted(Path(app.srcdir, "notebooks").glob("*.ipynb")):
        if f"notebooks/{path.stem}\n" not in listed:
            LOGGER.warning(
                f"notebooks/{path.name} is not in _toc.yml: add it there to make it a chapter", type="mistake"
            )


def setup(app):
    app.connect("source-read", read, priority=100)
    app.connect("doctree-read", bare_figures)
    app.connect("env-updated", left_out)  # also where nothing else has changed
    return {"parallel_read_safe": True, "parallel_write_safe": True}
