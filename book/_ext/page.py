"""Make every page self-contained, light and accessible: the mends that the theme needs."""

import logging
import re
from hashlib import sha256
from html import escape
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from textwrap import shorten

from docutils import nodes
from fontTools import subset
from pygments.formatters import HtmlFormatter
from pygments.token import Token
from sphinx.errors import ExtensionError
from sphinx.highlighting import PygmentsBridge
from sphinx.util.fileutil import copy_asset

HERE = Path(__file__).parent
MODULE = HERE.parents[1] / "notranslate-math/notranslate-math.js"
DEMO = [MODULE, *(HERE.parent / "assets" / name for name in ("translator.js", "translate-demo.js"))]  # of chapter 8
SEARCH = HERE.parent / "assets/search.js"
ASSETS = [HERE.parent / "assets" / name for name in ("page.css", "page.js", "pictures.js", "ledger.schema.json")]
ASSETS += [HERE.parents[1] / "src/helpers/stage.css", MODULE]
MATHJAX = ["tex-chtml.js", "output/chtml/fonts/woff-v2"]  # the live engine of chapter 8's demonstration

# An asset named here is kept only on the pages whose body matches.
NEEDED_BY = {
    "sphinx-design.min.css": r"\bsd-",
    "pictures.js": 'class="moving"',
    "stage.css": 'class="(stage|explore)',
    "design-tabs.js": r"\bsd-tab-set",
    "clipboard.min.js": "<pre",
    "copybutton.js": "<pre",
    "copybutton.css": "<pre",
    "togglebutton.js": 'class="[^"]*(toggle|dropdown)',
    "togglebutton.css": 'class="[^"]*(toggle|dropdown)',
}
# Files that no page asks for once it is mended.
UNUSED = ["**/*.map", "**/*.ttf", "**/*.[mp]o", "*webpack-macros.html", "scripts/fontawesome.js*"]
# Markup to put right that no hook reaches: a role that is gone, a name unlike the visible text, repeated ids.
MENDS = {
    ' role="doc-biblioentry"': ' role="listitem"',
    '<summary aria-label="Toggle hidden content">': "<summary>",
    ' id="proof-content"': "",
    ' id="exercise-content"': "",
    ' id="solution-content"': "",
}


def configure(app, config):
    # Before the theme's own templates, so that ours win.
    config.templates_path.insert(0, str(HERE / "templates"))
    config.html_additional_pages.setdefault("index", "home.html")
    config.html_static_path += map(str, ASSETS)
    # Sphinx would not see that one of these files has changed, and would leave the pages as they were.
    sources = [*sorted(HERE.glob("*.py")), SEARCH, *ASSETS, *DEMO, *sorted((HERE / "templates").rglob("*.html"))]
    config.page_digest = sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    # The sidebar has the search button: without this the theme adds a bar with another one.
    config.html_theme_options.setdefault("navbar_persistent", [])
    config.html_theme_options.setdefault("article_header_end", ["code-switch.html", "article-header-buttons.html"])
    # Jupyter Book always loads sphinx-thebe, which is unused here and whose script throws on every page.
    for listeners in app.events.listeners.values():
        for listener in [one for one in listeners if one.handler.__module__ == "sphinx_thebe"]:
            app.disconnect(listener.id)


def write_side_by_side(app, env):
    """Each page in a process of its own. (Reading stays in one: not every extension joins what two have read.)"""
    app.parallel = 1 + len(env.found_docs)


def copy_mathjax(app):
    """Copy the MathJax that chapter 8's demonstration loads."""
    if app.builder.format != "html":
        return
    try:
        source = distribution("sphinx-mathjax-offline").locate_file("sphinx-mathjax-offline/static/mathjax")
    except PackageNotFoundError as error:
        raise ExtensionError("MathJax is missing: pip install sphinx-mathjax-offline") from error
    for name in MATHJAX:
        target = Path(app.outdir, "_static/mathjax", name)
        copy_asset(source / name, target if (source / name).is_dir() else target.parent)


def write_demo(app):
    """Chapter 8's demonstration and its modules as one plain script: from a disk, browsers load no module."""
    text = ""
    for path in DEMO:
        module = re.sub(r"^import .*\n", "", path.read_text("utf-8"), flags=re.MULTILINE)
        names = ", ".join(re.findall(r"^export \w+ (\w+)", module, re.MULTILINE))
        module = re.sub(r"^export ", "", module, flags=re.MULTILINE)
        text += f"const {{ {names} }} = (() => {{\n{module}\nreturn {{ {names} }};\n}})();\n"
    target = Path(app.outdir, "_static/translate-demo.js")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(f'"use strict";\n{{\n{text}}}\n', "utf-8")


def mend_page(app, pagename, templatename, context, doctree):
    body = context.get("body") or ""
    for kind in ("css_files", "script_files"):
        context[kind] = [asset for asset in context[kind] if is_needed(asset, body)]
    for script in context["script_files"]:
        # The inline scripts of every page read DOCUMENTATION_OPTIONS: that one alone must not wait.
        if script.filename and "documentation_options" not in str(script.filename):
            script.attributes["defer"] = "defer"
    for flaw, mend in MENDS.items():
        body = body.replace(flaw, mend)
    context["body"] = body
    # The page's own front matter (html_meta) comes first.
    if 'name="description"' not in (metatags := context.get("metatags") or ""):
        description = escape(describe(app, context, doctree))
        context["metatags"] = f'{metatags}<meta name="description" content="{description}">'


def is_needed(asset, body):
    if not asset.filename:
        # Nothing reads the state of the widgets: pages show static HTML.
        return asset.attributes.get("type") != "application/vnd.jupyter.widget-state+json"
    name = Path(asset.filename).name
    return name != "sphinx-thebe.css" and re.search(NEEDED_BY.get(name, ""), body)


def describe(app, context, doctree):
    """The first paragraph without formulas, which would be raw TeX; else the titles."""
    for paragraph in doctree.findall(nodes.paragraph) if doctree else ():
        if isinstance(paragraph.parent, nodes.section) and not any(paragraph.findall(nodes.math)):
            return shorten(paragraph.astext(), 160, placeholder=" …")
    return " · ".join(filter(None, (context.get("title"), app.config.html_title or app.config.project)))


def trim_static(app, error):
    """Drop what no page uses; the theme copies it anew at every build."""
    if error or app.builder.format != "html":
        return
    static = Path(app.outdir, "_static")
    for path in {path for pattern in UNUSED for path in static.glob(pattern)}:
        path.unlink()
    with (static / "searchtools.js").open("a", encoding="utf-8") as script:  # which Sphinx, too, copies at every build
        script.write(SEARCH.read_text("utf-8"))
    subset_icons(static)


def subset_icons(static):
    """Keep only the glyphs of Font Awesome that the pages, scripts and styles name."""
    logging.getLogger("fontTools.subset").setLevel(logging.WARNING)
    css = (static / "styles/pydata-sphinx-theme.css").read_text("utf-8")
    users = [*static.parent.rglob("*.html"), *static.glob("scripts/*.js")]
    # The book theme's own stylesheet draws an angle without naming it.
    names = {"fa-angle-down"}
    for path in users:
        names.update(re.findall(r"fa-[a-z0-9-]+", path.read_text("utf-8")))
    # Icons of admonitions and links stand in the stylesheet as themselves, the others as escapes.
    glyphs = {ord(glyph) for glyph in re.findall("[\ue000-\uf8ff]", css)}
    for selectors, glyph in re.findall(r'([^{}]+)\{content:"\\([0-9a-f]{4})"', css):
        if not names.isdisjoint(re.findall(r"\.(fa-[a-z0-9-]+):", selectors)):
            glyphs.add(int(glyph, 16))
    options = subset.Options(flavor="woff2")
    for path in static.glob("vendor/fontawesome/webfonts/*.woff2"):
        font = subset.load_font(path, options)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=glyphs)
        subsetter.subset(font)
        subset.save_font(font, path, options)


class Plain(HtmlFormatter):
    """Without elements for what has the colour of the text: a quarter of those of a page."""

    def _get_css_class(self, ttype):
        return "" if ttype in (Token.Name, Token.Punctuation, Token.Text.Whitespace) else super()._get_css_class(ttype)


def setup(app):
    PygmentsBridge.html_formatter = Plain
    app.add_config_value("page_digest", "", "html")
    app.connect("config-inited", configure)
    app.connect("env-updated", write_side_by_side)
    app.connect("builder-inited", copy_mathjax)
    app.connect("builder-inited", write_demo)
    # After all others, which add what is mended here.
    app.connect("html-page-context", mend_page, priority=999)
    app.connect("build-finished", trim_static, priority=999)
    app.add_css_file("page.css", priority=900)
    app.add_js_file("page.js", priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
