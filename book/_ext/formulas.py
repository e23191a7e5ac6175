"""Formulas, typeset by KaTeX when the book is built: no page waits for a script, and a TeX error stops the build."""

import re
import shutil
import sys
from pathlib import Path

import sphinxcontrib.katex as katex
from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.locale import _
from sphinx.util.fileutil import copy_asset_file
from sphinx.util.math import get_node_equation_number

DIST = Path(__file__).parents[2] / "tests/engines/node_modules/katex/dist"  # script, style and fonts of one version
OPTIONS = {"throwOnError": True, "strict": "error", "trust": True}  # trust: \htmlClass gives a term its colour
RAW = re.compile(r"<annotation .*?</annotation>", re.DOTALL)  # TeX that some readers of pages would show


def typeset(tex, node, page, display=False):
    """The formula as HTML for the eye and MathML for screen readers."""
    try:
        made = katex.render_latex(tex, OPTIONS | {"displayMode": display})
    except katex.KaTeXError as error:
        raise ExtensionError(f"{page}: the formula\n  {tex}\ncannot be set. {error}") from error
    return RAW.sub("", made)


def inline(self, node):
    made = typeset(node.astext(), node, self.builder.current_docname)
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate", translate="no") + made + "</span>")
    raise nodes.SkipNode


def display(self, node):
    self.body.append(self.starttag(node, "div", CLASS="math notranslate", translate="no"))
    self.body.append(typeset(node.astext(), node, self.builder.current_docname, display=True))
    if node["number"] and not node["nowrap"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def start(app):
    """Copy style and fonts before the pages are written, so that their addresses carry a checksum."""
    if app.builder.format != "html":
        return
    katex.NODEJS_BINARY = shutil.which("node", path=Path(sys.executable).parent) or "node"
    katex.KaTeXServer.katex_path = str(DIST / "katex.min.js")
    if not DIST.exists():
        raise ExtensionError(f"KaTeX is missing from {DIST}: run `make engines`")
    static = Path(app.outdir, "_static/katex")
    (static / "fonts").mkdir(parents=True, exist_ok=True)
    # woff2 alone: the older formats are for browsers that cannot show the book anyway.
    style = re.sub(r",url\([^)]*\.(?:woff|ttf)\) format\([^)]*\)", "", (DIST / "katex.min.css").read_text("utf-8"))
    (static / "katex.css").write_text(style, "utf-8")
    for font in (DIST / "fonts").glob("*.woff2"):
        copy_asset_file(font, static / "fonts")


def setup(app):
    app.add_html_math_renderer("build", inline_renderers=(inline, None), block_renderers=(display, None))
    app.connect("builder-inited", start)
    app.add_css_file("katex/katex.css")
    return {"parallel_read_safe": True, "parallel_write_safe": False}
