"""What the helpers show, as parts of a page: figures with numbers, pictures that move, questions to predict.

What moves a picture (its module and its data) does not stand in the page: it is a script beside it, which pictures.js
loads when the picture comes near.
"""

import html
import json
import re
from hashlib import sha256
from pathlib import Path

from cells import cell_of
from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
FIGURE = re.compile(r'<figure class="explore" id="([^"]*)">(.*)<figcaption>(.*)</figcaption></figure>', re.DOTALL)
PARTS = re.compile(r'<script type="application/json">(.*?)</script>', re.DOTALL)


class moving(nodes.General, nodes.Element):
    """The parts of a picture that moves; written when its page is."""


class Pictures(SphinxTransform):
    """Find what the helpers have shown, and put nodes of Sphinx in its place."""

    default_priority = 400

    def apply(self):
        for raw in list(self.document.findall(nodes.raw)):
            text = raw.astext().strip()
            output = raw
            while "mime_type" in output.parent or output.parent.get("nb_element") == "mime_bundle":
                output = output.parent
            if found := FIGURE.fullmatch(text):
                figure = self.figure(*found.groups())
                for node in (figure, figure.children[-1]):  # the places of what is wrong with it, and in its caption
                    node.source, node.line = raw.source, raw.line
                figure.children[-1].line += line_of_caption(output, found[1]) - 1
                if found[1] in self.document.nameids:  # to note it once more would take it from both
                    LOGGER.warning('Duplicate explicit target name: "%s"', found[1], location=figure)
                    self.document.set_id(figure)  # another one
                else:
                    figure["names"].append(found[1])
                    self.document.note_explicit_target(figure)
                output.replace_self(figure)
            elif text.startswith('<fieldset class="predict">'):
                output.replace_self(nodes.container("", *mixed(text, html.unescape), classes=["prediction"]))

    def figure(self, label, picture, caption):
        parts = PARTS.search(picture)
        before, after = f'<div class="explore">{PARTS.sub("", picture)}', "</div>"
        figure = nodes.figure("", nodes.raw("", before, format="html"))
        if parts:
            figure += moving(label=label, parts=parts[1])
        figure += nodes.raw("", after, format="html")
        figure += nodes.caption("", "", *mixed(html.unescape(caption), str, nodes.Text))
        return figure


def line_of_caption(output, label):
    """The line of its cell where the caption of the figure with this label begins, which mostly follows the label."""
    cell = cell_of(output)
    source = cell.children[0].astext() if cell else ""
    at = max(source.find("caption=", source.find(label)), source.find("caption="), 0)
    return source.count("\n", 0, at) + 1


def mixed(text, tex, between=lambda part: nodes.raw("", part, format="html")):
    """Text, or HTML, with formulas between $ signs, as nodes."""
    parts = text.split("$")
    return [nodes.math("", tex(part)) if n % 2 else between(part) for n, part in enumerate(parts) if part]


def write(self, node):
    """A script: neither a module nor a fetched file may be read where a page is opened without a server."""
    label, page = node["label"], self.builder.current_docname
    script = f'picture("{label}", {json.dumps(json.loads(node["parts"]), ensure_ascii=False)});\n'
    file = Path(self.builder.outdir, "_static/pictures", f"{label}.js")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(script, "utf-8")
    source = f"{'../' * page.count('/')}_static/pictures/{file.name}?v={sha256(script.encode()).hexdigest()[:8]}"
    self.body.append(f'<span class="moving" data-src="{source}" hidden></span>')
    raise nodes.SkipNode


def setup(app):
    app.add_node(moving, html=(write, None))
    app.add_transform(Pictures)
    app.add_js_file("pictures.js", priority=850)
    app.add_css_file("stage.css", priority=850)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
