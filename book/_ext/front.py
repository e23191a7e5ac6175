"""What the front page shows of the chapters: cards with a picture, a claim as it looks, and totals of what ran.

`{chapters}` has a line for each card: document, label of a figure, question. `{claim} doc id` copies a statement with
its line. The role `{total}` counts: claims, comparisons, or broken variants.
"""

import re
from html import escape
from pathlib import Path

import ledger
from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from helpers.check import BROKEN, TERMS

LOGGER = logging.getLogger(__name__)
# A picture in a file of its own does not see the page's styles.
STYLE = 'style="' + "".join(f"--t-{name}:{colour};" for name, colour in TERMS.items()) + "font-family:sans-serif;"


class front(nodes.Element):
    """Stands for something that is known once every notebook has run."""


class Chapters(SphinxDirective):
    has_content = True

    def run(self):
        return [front(make=cards, lines=[line.split(None, 2) for line in self.content if line.strip()])]


class Claim(SphinxDirective):
    required_arguments = 2

    def run(self):
        return [front(make=claim, doc=self.arguments[0], id=self.arguments[1])]


class Total(SphinxRole):
    def run(self):
        return [front(make=total, what=self.text)], []


def cards(app, docname, node):
    """A list of links with pictures, which are written beside the pages."""
    made = []
    for doc, label, question in node["lines"]:
        figure = next((f for f in app.env.get_doctree(doc).findall(nodes.figure) if label in f["ids"]), None)
        if figure is None:
            LOGGER.warning("{chapters} names the figure %s, which is not in %s", label, doc, location=docname)
            continue
        svg = re.search(r'<svg role="img".*?</svg>', figure.astext(), re.DOTALL)[0].replace('style="', STYLE, 1)
        file = Path(app.outdir, "_static/cards", f"{label}.svg")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(svg, "utf-8")
        alt = re.search('aria-label="([^"]*)"', svg)[1]
        number = ".".join(map(str, app.env.toc_secnumbers.get(doc, {}).get("", ())))
        title = escape(f"{number}. {app.env.titles[doc].astext().partition(':')[0]}")
        src = "../" * docname.count("/") + f"_static/cards/{file.name}"
        made.append(
            f'<li><img src="{src}" alt="{alt}" width="320" height="160" loading="lazy">'
            f'<a href="{app.builder.get_relative_uri(docname, doc)}">{title}</a><p>{escape(question)}</p></li>'
        )
    return nodes.raw("", f'<ul class="cards">{"".join(made)}</ul>', format="html")


def claim(app, docname, node):
    doc, id = node["doc"], node["id"]
    if id not in ledger.claims(app.env, doc):
        raise ExtensionError(f"{docname}: there is no claim {id} in {doc}")
    found = next(n for n in app.env.get_doctree(doc).findall(nodes.Element) if n.get("label") == id)
    title, *statement = [part.deepcopy() for part in found.children]
    for formula in (formula for part in statement for formula in part.findall(nodes.math_block)):
        formula["number"] = formula["label"] = None  # which it has in its chapter
    title = nodes.title("", found["realtype"].capitalize() + title.astext())
    return [nodes.admonition("", title, *statement, classes=["proof"]), ledger.line(app, docname, id, doc)]


def total(app, docname, node):
    ran = [r for page in ledger.records(app.env).values() for r in page]
    sound = [r for r in ran if r["kind"] != BROKEN]
    totals = {
        "claims": len({r["id"] for r in sound}),
        "comparisons": len(sound),
        "broken variants": len(ran) - len(sound),
    }
    if node["what"] not in totals:
        raise ExtensionError(f"{docname}: {{total}} counts {', '.join(totals)}, not {node['what']!r}")
    return nodes.Text(f"{totals[node['what']]:,}")


def resolve(app, doctree, docname):
    for node in list(doctree.findall(front)):
        node.replace_self(node["make"](app, docname, node))


def setup(app):
    app.add_node(front)
    app.add_directive("chapters", Chapters)
    app.add_directive("claim", Claim)
    app.add_role("total", Total())
    app.connect("doctree-resolved", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
