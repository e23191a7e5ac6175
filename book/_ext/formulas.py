"""Formulas, typeset by KaTeX when the book is built: no page waits for a script, and a TeX error stops the build."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.fileutil import copy_asset_file
from sphinx.util.math import get_node_equation_number

from helpers.check import TERMS

LOGGER = logging.getLogger(__name__)
DIST = Path(__file__).parents[2] / "tests/engines/node_modules/katex/dist"  # script, style and fonts of one version
OPTIONS = {"throwOnError": True, "strict": "error"}
# TeX that some readers of pages would show, and what holds it beside the formula.
RAW = re.compile(r"<annotation .*?</annotation>|</?semantics>", re.DOTALL)
# \textcolor{blue}{…} names a term, whose colour the theme of the page knows. (\htmlClass would be red in JupyterLab.)
COLOURED = re.compile(rf'<span(?: class="([^"]*)")? style="([^"]*)color:({"|".join(TERMS)});')
PERCENT = re.compile(r"(?<=\d) (?=%)")
VERBATIM = nodes.literal, nodes.math, nodes.FixedTextElement  # in which no space may change
# One line in, one line out: a pipe needs no port, no waiting for a server and no time limit.
SCRIPT = """
const katex = require(process.argv[1]);
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const [tex, options] = JSON.parse(line);
  let answer;
  try { answer = { html: katex.renderToString(tex, options) } } catch (error) { answer = { error: error.message } }
  console.log(JSON.stringify(answer));
});
"""


def engine():
    """A Node process that typesets; it ends with this one, whose pipe it reads."""
    return started(os.getpid())  # pages are written in forks of this process, and two cannot share a pipe


@cache
def started(_process):
    node = shutil.which("node", path=Path(sys.executable).parent) or shutil.which("node")
    script = DIST / "katex.js"
    if not (node and script.exists()):
        raise ExtensionError(f"KaTeX is missing ({script}), or node: run `make engines`")
    pipe = subprocess.PIPE
    return subprocess.Popen([node, "-e", SCRIPT, script], stdin=pipe, stdout=pipe, encoding="utf-8")


@cache
def katex(tex, display):
    """What KaTeX makes of a formula: {"html": …} or {"error": …}."""
    process = engine()
    print(json.dumps([tex, OPTIONS | {"displayMode": display}]), file=process.stdin, flush=True)
    return json.loads(process.stdout.readline())


def typeset(tex, node, display=False):
    """The formula as HTML for the eye and MathML for screen readers; an error is told with its place."""
    made = katex(tex, display)
    if "error" in made:
        LOGGER.error("the formula %s cannot be set: %s", one_line(tex), one_line(made["error"]), location=node)
    html = RAW.sub("", made.get("html", ""))
    named = COLOURED.sub(lambda m: f'<span class="{m[1] + " " if m[1] else ""}t-{m[3]}" style="{m[2]}', html)
    return named.replace(' style=""', "")


def one_line(text):
    return " ".join(text.replace("\N{COMBINING LOW LINE}", "").split())  # with which KaTeX underlines


def hold(app, doctree, docname):
    """Keep together a formula that cannot break and the point or bracket after it, and a number and its %."""
    for node in list(doctree.findall(nodes.math)):
        parent, at = node.parent, node.parent.index(node)
        after = parent[at + 1] if at + 1 < len(parent) else None
        one = katex(node.astext(), False).get("html", "").count('"katex-base"') == 1
        if one and isinstance(after, nodes.Text) and after.startswith(tuple(".,:;!?)’”")):
            held = nodes.inline("", "", node, nodes.Text(after[:1]), classes=["held"])
            parent[at : at + 2] = [held, nodes.Text(after[1:])]
    for text in list(doctree.findall(nodes.Text)):
        if not isinstance(text.parent, VERBATIM) and (kept := PERCENT.sub("\N{NO-BREAK SPACE}", text)) != text:
            text.parent.replace(text, nodes.Text(kept))


def inline(self, node):
    made = typeset(node.astext(), node)
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate", translate="no") + made + "</span>")
    raise nodes.SkipNode


def display(self, node):
    self.body.append(self.starttag(node, "div", CLASS="math notranslate", translate="no"))
    self.body.append(typeset(node.astext(), node, display=True))
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
    engine()
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
    app.connect("doctree-resolved", hold)
    app.add_css_file("katex/katex.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
