"""What a notebook's cells become in the page: code by rank, claims in a line, solutions of several cells.

A code cell with one of the tags of `RANKS` is folded under what it shows; neighbours of one rank share a fold. Of the
lines that checks leave, the page shows one for each claim, where its first check stands, and a button for each variant
that was broken there; single lines stand in the fold, of those that are alike the worst, and so does an admonition of
class `check`, which is where a tolerance is explained. How a statement in a box that opens was checked stands in that
box. A solution takes in the cells that follow it, up to the next exercise or heading, and any box a picture after it
that is tagged `boxed`.
"""

import html
import re
from itertools import groupby, pairwise, takewhile

import ledger
from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx_exercise.nodes import exercise_enumerable_node, exercise_node, solution_node

LOGGER = logging.getLogger(__name__)
RANKS = {"check": "How it was checked", "broken": "What would go wrong", "machinery": "Code"}
LINE = re.compile(
    r'<p class="check check-(pass|broken)"(?: data-term="(\w+)")?>.*?href="#([^"]*)".*?check-seen">(.*?)</span>'
)


class Boxes(SphinxTransform):
    """Put a cell with the tag `boxed`, a picture that the way does not need, into the box that opens before it."""

    default_priority = 10

    def apply(self):
        for cell in [node for node in self.document.findall(nodes.container) if "tag_boxed" in node["classes"]]:
            siblings = cell.parent.children
            before = siblings[max(siblings.index(cell) - 1, 0)]
            if rank(before) is not None or "dropdown" not in before.get("classes", ()):
                LOGGER.warning("the cell is tagged 'boxed', and no box stands before it", location=cell, type="mistake")
                continue
            siblings.remove(cell)
            before += cell


class Solutions(SphinxTransform):
    """Put the cells after a solution into it; a directive by itself, as JupyterLab shows it too, ends with its cell."""

    default_priority = 10
    ends = (exercise_node, exercise_enumerable_node, solution_node, nodes.section)

    def apply(self):
        for solution in list(self.document.findall(solution_node)):
            siblings, content = solution.parent.children, solution.children[-1]
            after = siblings[siblings.index(solution) + 1 :]
            for node in takewhile(lambda node: not isinstance(node, self.ends), after):
                siblings.remove(node)
                content += node


def cell_of(node):
    """The code cell in which a node stands, or None."""
    while node is not None and node.get("nb_element") != "cell_code":
        node = node.parent
    return node


def rank(node):
    """The rank of a folded cell, "" for an open one, None for anything else."""
    classes = node.get("classes", []) if isinstance(node, nodes.Element) else []
    if isinstance(node, nodes.container) and node.get("nb_element") == "cell_code":
        return next((r for r in RANKS if f"tag_{r}" in classes), "")
    return "check" if isinstance(node, nodes.Admonition) and "check" in classes else None


def fold(app, doctree, docname):
    seen = set()
    told = {(r["id"], r["seen"]): times for r, times in ledger.gathered(ledger.records(app.env).get(docname, []))}
    boxes = {id: box for id, box in stated_in(doctree) if not rank(box)}
    parents = {id(n.parent): n.parent for n in doctree.findall(nodes.container) if rank(n) is not None}
    for parent in parents.values():
        children, of = [], homes(parent, boxes)
        for (kind, home), group in groupby(parent.children, lambda child, of=of: (rank(child), of.get(child))):
            group = list(group)
            if kind:
                (children if home is None else home).append(together(app, docname, group, seen, dict(told)))
                continue
            children += group
            for cell in group if kind == "" else ():
                no_lines(cell)
        parent.children = children
        for child in children:
            child.parent = parent


def stated_in(doctree):
    """(id, box) of each statement in a box that opens."""
    for box in doctree.findall(lambda node: "dropdown" in getattr(node, "attributes", {}).get("classes", ())):
        for node in box.findall(nodes.Element):
            yield from ((id, box) for id in node["ids"])


def homes(parent, boxes):
    """{cell: the box of what it checks}: of cells that show nothing but lines, and of what explains or feeds them."""
    of, home = {}, None
    around, order = set(ancestors(parent)), {box: n for n, box in enumerate(boxes.values())}
    for child in reversed(parent.children):
        checked = [boxes.get(found[3]) for found in LINE.finditer(child.astext())] if rank(child) else []
        if checked:
            home = None if None in checked else max(checked, key=order.get)
        if not rank(child) or any(not LINE.search(output.astext()) for output in outputs(child)):
            home = None
        elif home is not None and home not in around:
            of[child] = home
    for before, child in pairwise(parent.children):  # an explanation that stands last belongs to what is before it
        if isinstance(child, nodes.Admonition) and rank(child) and child not in of and before in of:
            of[child] = of[before]
    return of


def ancestors(node):
    while node is not None:
        yield node
        node = node.parent


def outputs(cell):
    return [
        output for part in cell.children if part.get("nb_element") == "cell_code_output" for output in part.children
    ]


def together(app, docname, group, seen, told):
    """Cells of one rank: what they show, the lines of their claims, and the code folded."""
    shown, folded, passed, again, broken, code = [], [], [], {}, {}, 0
    for node in group:
        if isinstance(node, nodes.Admonition):
            folded += [child for child in node.children if not isinstance(child, nodes.title)]
            continue
        source = [child for child in node.children if child.get("nb_element") == "cell_code_source"]
        asks = any(part.astext().startswith("predict(") for part in source)
        for output in outputs(node):
            found = LINE.search(output.astext())
            if not found:
                shown.append(output)
                continue
            how, term, claim, said = found.groups()
            if times := told.pop((claim, html.unescape(said)), 0):
                folded.append(counted(output, times))
            if how == "broken":
                measured, _, variant = html.unescape(said).partition(": ")
                broken.setdefault((claim, term), []).append((measured, variant))
            elif claim not in seen:
                seen.add(claim)
                passed.append(claim)
            else:
                again[claim] = None
        if not asks:  # the code of a question is the question again
            folded += source
            code += sum(part.astext().count("\n") + 1 for part in source)
    if not (code or shown):
        LOGGER.warning("the admonition of class check stands beside no check", location=group[0], type="mistake")
        return nodes.container("", *group)
    lines = [ledger.line(app, docname, claim) for claim in passed]
    lines += [line for (claim, term), variants in broken.items() for line in red(claim, term, variants)]
    word = RANKS[rank(group[0])]
    if again and not lines:
        word = f"{', '.join(again)}: how more of it was checked"
    start = f'<details class="code code-{rank(group[0])}"><summary>{word} · {code} line{"s" * (code > 1)}</summary>'
    details = [nodes.raw("", start, format="html"), *folded, nodes.raw("", "</details>", format="html")] if code else []
    output = [nodes.container("", *shown, classes=["cell_output"])] if shown else []
    return nodes.container("", *output, *lines, *details, classes=["cell", "folded"])


def counted(output, times):
    """The line of a check, which says of how many it is the worst."""
    for line in output.findall(nodes.raw):
        end = '</span> <span class="check-kind">'
        line.children = [nodes.Text(line.astext().replace(end, ledger.worst_of(times) + end))]
    return output


def red(claim, term, variants):
    """A red line for each broken variant of a claim; on a screen there is a button in its place, see page.js."""
    for measured, said in variants:
        marks = f'data-claim="{claim}" data-term="{term or ""}"'
        yield nodes.raw(
            "",
            f'<button type="button" class="break" aria-pressed="false" {marks}>Break it: {html.escape(said)}</button>'
            f'<p class="check check-broken unpressed"><span class="check-mark">✗ </span>'
            f'<a class="reference internal" href="#{claim}"><code class="docutils literal">{claim}</code></a> '
            f"goes red: {html.escape(f'{said} ({measured})')}</p>",
            format="html",
        )


def no_lines(cell):
    if LINE.search(cell.astext()):
        LOGGER.warning("the cell checks, and lacks the tag 'check'", location=cell, type="mistake")


def setup(app):
    app.add_transform(Boxes)
    app.add_transform(Solutions)
    app.connect("doctree-resolved", fold, priority=700)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
