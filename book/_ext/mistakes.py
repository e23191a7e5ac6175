"""The usual mistakes of authors that nothing else notices, each told with its file, cell and line."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from cells import RANKS, cell_of
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
EXERCISE = re.compile(r"^ *[`:]{3,}\{exercise(?:-start)?\}.*(?:\n *:(?!label)\w+:.*)*\n *:label: *(\S+)", re.MULTILINE)
SOLUTION = re.compile(r"^ *[`:]{3,}\{solution(?:-start)?\} +(\S+)", re.MULTILINE)
RESULT = re.compile(rf"^ *[`:]{{3,}}\{{prf:({'|'.join(RESULTS)})\}}.*((?:\n *:\w+:.*)*)", re.MULTILINE)
STDERR = re.compile(r"(?:\S+/\d+\.py:(\d+): )?(.*)")  # a warning says in which line of the cell it arose
HIDDEN = '"jupyter": {"source_hidden": true}'
FOLDED = re.compile(r"\bcheck\.|\b(show|explore|sketch|predict)\(|^(import|from) |\bplt\.", re.MULTILINE)
EVIDENCE = re.compile(r"\bcheck\.(close|below|holds)")
PICTURE = re.compile(r"^(show|explore|sketch)\(", re.MULTILINE)
VOID = {"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}  # never closed
FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,}|:{3,})(.*)$")


def read(app, docname, source):
    """Look at the cells of a notebook before it is parsed, one by one."""
    cells = read_cells(app, docname, source)
    own = {label for cell in cells for label in LABEL.findall(cell["source"])}
    ids, taken = set(), elsewhere(Path(app.env.doc2path(docname)))
    for n, cell in enumerate(cells):
        text = cell["source"]
        tell = lambda line, what, n=n: tell_of(docname, n, line, what)
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


def read_whole(app, docname, source):
    """Look at a notebook as a chapter."""
    cells = read_cells(app, docname, source)
    for n, line, what in [*ranks(cells), *unseeded(cells), *lacks(cells)] if cells else ():
        tell_of(docname, n, line, what)


def read_cells(app, docname, source):
    """The cells of a notebook, with their text in one piece; none of a page that is none."""
    cells = json.loads(source[0])["cells"] if app.env.doc2path(docname).endswith(".ipynb") else []
    return [cell | {"source": "".join(cell["source"])} for cell in cells]


def tell_of(docname, n, line, what):
    LOGGER.warning(what, location=(docname, 10_000 * (n + 1) + 1 + line), type="mistake")  # as MyST-NB counts


def matches(pattern, text):
    """The matches of a pattern, each with the number of its line."""
    return ((text.count("\n", 0, found.start()) + 1, found) for found in pattern.finditer(text))


def ranks(cells):
    """Cells whose code is not folded by one rank, in the page by a tag and in JupyterLab by a mark of its own."""
    for n, cell in enumerate(cells):
        if cell["cell_type"] != "code":
            continue
        tags, hidden = ranked(cell), cell["metadata"].get("jupyter", {}).get("source_hidden", False)
        if len(tags) > 1:
            yield n, 1, f"the cell has the tags {' and '.join(tags)}: keep one of them"
        if tags and not hidden:
            yield n, 1, f"the cell is open in JupyterLab: add {HIDDEN} to its metadata"
        if hidden and not tags:
            yield n, 1, f"the cell is open on the page: give it one of the tags {', '.join(RANKS)}"
        if not (hidden or tags):
            for line, found in list(matches(FOLDED, cell["source"]))[:1]:
                what = f"{found[0].strip('(. ')} stands in an open cell, and lacks the tag"
                yield n, line, f"{what} 'check' or 'machinery': add it, and {HIDDEN}"
        if tags == ["broken"]:
            for line, found in matches(EVIDENCE, cell["source"]):
                yield n, line, f"{found[0]} stands in a cell with the tag broken: move it to one with the tag check"


def ranked(cell):
    return [tag for tag in RANKS if tag in cell["metadata"].get("tags", [])]


def unseeded(cells):
    if not any("manual_seed(seed())" in cell["source"] for cell in cells):
        drawn = ((n, line) for n, cell in enumerate(cells) for line, _ in matches(TORCH, cell["source"]))
        for n, line in list(drawn)[:1]:
            yield n, line, "torch draws and no cell has torch.manual_seed(seed()): put it under the imports"


def lacks(cells):
    """What a chapter has to have; told of its title where nothing stands for it."""
    text, code = ("\n".join(c["source"] for c in cells if c["cell_type"] == kind) for kind in ("markdown", "code"))
    exercises = [(n, *found) for n, cell in enumerate(cells) for found in matches(EXERCISE, cell["source"])]
    solved = set(SOLUTION.findall(text))
    for n, line, found in exercises:
        if found[1] not in solved:
            yield n, line, f"the exercise {found[1]} has no solution: write a {{solution}} {found[1]} under it"
    if len(exercises) < 4:
        yield 0, 1, f"a chapter has four exercises or more, and this one {len(exercises)}: add some"
    if "check.fails(" not in code:
        yield 0, 1, "a chapter breaks one variant, and this one none: write a check.fails"
    if "explore(" not in code:
        yield 0, 1, "a chapter has one picture that moves, and this one none: make one with explore"
    if "```{include} ../book/chapter_end.md" not in text:
        yield len(cells) - 1, 1, "a chapter ends with an {include} of ../book/chapter_end.md: add it"
    words = 0
    for n, cell in enumerate(cells):  # up to the first picture
        if PICTURE.search(cell["source"]):
            if words > 150:
                yield n, 1, f"{words} words stand before the first picture: leave 150 at most"
            break
        if cell["cell_type"] == "markdown":
            words += len(cell["source"].split())
        elif not {"machinery", "check"} & set(ranked(cell)):
            yield n, 1, "the cell is open before any picture: move it down"


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
        if cell := cell_of(image):
            what = "a figure is shown as it is: end the cell with show(fig, label=…, caption=…, alt=…)"
            LOGGER.warning(what, location=cell, type="mistake")


class Tags(HTMLParser):
    """Of pieces of HTML: [(tag, piece)] that nothing has closed yet, and those that close nothing."""

    def __init__(self):
        super().__init__()
        self.open, self.stray = [], []

    def read(self, piece):
        self.piece = piece
        self.feed(piece.astext())

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append((f"<{tag}>", self.piece))

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        if self.open and self.open[-1][0] == f"<{tag}>":
            self.open.pop()
        else:
            self.stray.append((f"</{tag}>", self.piece))


def markup(app, doctree):
    """HTML in the text that is opened and not closed in the same paragraph, or the reverse; a browser would guess."""
    written = (raw for raw in doctree.findall(nodes.raw) if raw.line and "mime_type" not in raw.parent)  # not by a cell
    for parent in {raw.parent: None for raw in written}:
        tags = Tags()
        for piece in parent.children:
            if isinstance(piece, nodes.raw) and piece["format"] == "html":
                tags.read(piece)
        for tag, piece in tags.open + tags.stray:
            start = parent.rawsource.find(piece.astext())
            line = (piece.line or 0) + parent.rawsource.count("\n", 0, max(start, 0))
            what = "is not closed: close it" if (tag, piece) in tags.open else "closes nothing: open or drop it"
            LOGGER.warning(f"{tag} {what} in the same paragraph", location=(app.env.docname, line), type="mistake")


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
    app.connect("source-read", read_whole, priority=100)
    app.connect("doctree-read", outputs)
    app.connect("doctree-read", markup)
    app.connect("env-updated", left_out)  # also where nothing else has changed
    return {"parallel_read_safe": True, "parallel_write_safe": True}
