"""The usual mistakes of authors that nothing else notices, each told with its file, cell and line."""

import json
import re
from pathlib import Path

from docutils import nodes
from ledger import RESULTS
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
TAKE = "take default_rng(seed())"
# What is wrong in a code cell, line by line; what to do.
CODE = [
    (r"(?<![\w.])print\(", "prints, which is no part of a page: end the cell with Markdown(…) or a check"),
    (r"\b(default_rng|manual_seed)\(\s*(\d+\s*)?\)", "starts a generator that BOOK_SEED does not move: give it seed()"),
    (r"\bnp\.random\.(?!default_rng|Generator|SeedSequence)\w", f"draws from numpy's global generator: {TAKE}"),
    (r"(?<![\w.])random\.(random|choice|shuffle|sample|randint)\(", f"draws from Python's generator: {TAKE}"),
]
TORCH = re.compile(r"\btorch\.(rand|randn|randint|randperm|normal|bernoulli|multinomial|nn\.)")
# Labels of statements, exercises and figures: in a cell, and in the file of a notebook.
LABEL = re.compile(r'(?:^:label: *|\blabel="(?=fig-))([\w-]+)', re.MULTILINE)
IN_FILE = re.compile(r'(?:":label: *|\blabel=\\"(?=fig-))([\w-]+)')
SOLUTION = re.compile(r"^ *[`:]{3,}\{solution(?:-start)?\} +(\S+)", re.MULTILINE)
RESULT = re.compile(rf"^ *[`:]{{3,}}\{{prf:({'|'.join(RESULTS)})\}}.*((?:\n *:\w+:.*)*)", re.MULTILINE)
STDERR = re.compile(r"(?:\S+/\d+\.py:(\d+): )?(.*)")  # a warning says in which line of the cell it arose
FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,}|:{3,})(.*)$")


def read(app, docname, source):
    """Look at the cells of a notebook before it is parsed."""
    if app.env.doc2path(docname).endswith(".ipynb"):
        cells = json.loads(source[0])["cells"]
        texts = ["".join(cell["source"]) for cell in cells]
        own = {label for text in texts for label in LABEL.findall(text)}
        ids, taken = set(), elsewhere(Path(app.env.doc2path(docname)))
        for n, (cell, text) in enumerate(zip(cells, texts, strict=True), 1):
            at = 10_000 * n + 1  # as MyST-NB counts
            tell = lambda line, what, at=at: LOGGER.warning(what, location=(docname, at + line), type="mistake")
            if re.fullmatch("[0-9a-f]{8}", cell.get("id", "")):
                tell(1, "the cell has a random id: name it, for links and messages")
            if cell.get("id") in ids:
                tell(1, "an earlier cell has this id: give it another")
            ids.add(cell.get("id"))
            for line, what in code(text) if cell["cell_type"] == "code" else [*fences(text), *directives(text, own)]:
                tell(line, what)
            for line, found in matches(LABEL, text):
                if found[1] in taken:
                    tell(line, f"the label {found[1]} is taken, in {taken[found[1]]}: give it another name")
                taken.setdefault(found[1], f"cell {cell.get('id')}")
        if any(map(TORCH.search, texts)) and not any("manual_seed(seed())" in text for text in texts):
            what = "torch draws and no cell has torch.manual_seed(seed()): put it under the imports"
            LOGGER.warning(what, location=docname, type="mistake")


def matches(pattern, text):
    """The matches of a pattern, each with the number of its line."""
    return ((text.count("\n", 0, found.start()) + 1, found) for found in pattern.finditer(text))


def directives(text, labels):
    """Results without a label, and solutions of no exercise: of nothing that has one of `labels`."""
    for line, found in matches(RESULT, text):
        if ":label:" not in found[2]:
            yield line, f"this {found[1]} has no label: give it one, which is the id of its checks"
    for line, found in matches(SOLUTION, text):
        if found[1] not in labels:
            yield line, f"solves {found[1]}, and no exercise here has this label: correct it"


def elsewhere(path):
    """{label: the other notebook that has it}, also where one chapter is built alone."""
    others = [other for other in sorted(path.parent.glob("*.ipynb")) if other != path]
    return {label: other.name for other in others for label in IN_FILE.findall(other.read_text("utf-8"))}


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


def outputs(app, doctree):
    """What no cell may show: a figure without `show` has no number, no caption, and its file name for an alternative
    text; what is written to stderr is meant for nobody who reads."""
    for node in doctree.findall(lambda node: isinstance(node, nodes.literal_block) and "stderr" in node["classes"]):
        line, said = STDERR.match(node.astext()).groups()
        what = f"writes to stderr: {said}: mend that, or silence it where it is meant"
        LOGGER.warning(what, location=(app.env.docname, node.line - 1 + int(line or 1)), type="mistake")
    for image in doctree.findall(nodes.image):
        parent = image.parent
        while parent is not None and parent.get("nb_element") != "cell_code":
            parent = parent.parent
        if parent is not None:
            LOGGER.warning(
                "a figure is shown without show(fig, label=…, caption=…, alt=…)", location=parent, type="mistake"
            )


def left_out(app, env):
    """Notebooks that are not in the contents or have no card, also where one chapter is built alone."""
    listed, cards = (Path(app.srcdir, file).read_text("utf-8") for file in ("_toc.yml", "book/intro.md"))
    for path in sorted(Path(app.srcdir, "notebooks").glob("*.ipynb")):
        if f"notebooks/{path.stem}\n" not in listed:
            LOGGER.warning(
                f"notebooks/{path.name} is not in _toc.yml: add it there to make it a chapter", type="mistake"
            )
        if f"notebooks/{path.stem} " not in cards:
            LOGGER.warning(
                f"notebooks/{path.name} has no card: give it a line in {{chapters}} of book/intro.md", type="mistake"
            )


def setup(app):
    app.connect("source-read", read, priority=100)
    app.connect("doctree-read", outputs)
    app.connect("env-updated", left_out)  # also where nothing else has changed
    return {"parallel_read_safe": True, "parallel_write_safe": True}
