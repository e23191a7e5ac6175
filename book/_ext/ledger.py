"""The ledger: which claims the book makes, which checks ran for them, and what they measured.

A claim is a `prf:` statement of a result; its label is its id. A check is a record that `helpers.check` left in the
outputs of an executed notebook. The build stops at a claim without a check and at a check without a claim of the same
chapter. `{ledger}` is the table of the page it stands on, `{ledger} all` that of the book. Beside that page stands the
same as data: ledger.json, as assets/ledger.schema.json describes it.
"""

import json
import re
from difflib import get_close_matches
from html import escape
from math import inf
from pathlib import Path

import nbformat
from docutils import nodes
from docutils.parsers.rst import directives
from jupyter_cache import get_cache
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from helpers.check import BROKEN, KINDS, MIME
from helpers.seed import seed

RESULTS = {
    "theorem",
    "lemma",
    "proposition",
    "corollary",
    "property",
    "observation",
    "criterion",
    "conjecture",
}


class ledger_table(nodes.Element):
    """Stands for a table until every notebook has run."""


class Ledger(SphinxDirective):
    optional_arguments = 1

    def run(self):
        whole = bool(self.arguments) and directives.choice(self.arguments[0], ["all"]) == "all"
        if whole:
            self.env.ledger_page = self.env.docname
        return [ledger_table(whole=whole)]


def collect(app, doctree):
    """Keep the statements and the records of the notebook that was just read."""
    path = Path(app.env.doc2path(app.env.docname))
    for proof in doctree.findall(lambda node: isinstance(node, nodes.Element) and node.get("realtype") in RESULTS):
        app.env.proof_list[proof["label"]]["statement"] = statement(proof)
    if path.suffix == ".ipynb":
        # Not from jupyter_execute/: what myst-nb writes there has no outputs when they came from its cache.
        cache = get_cache(app.env.mystnb_config.execution_cache_path)
        _, notebook = cache.merge_match_into_notebook(nbformat.read(path, as_version=4))
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        outputs = [(cell.id, output.get("data", {})) for cell in code for output in cell.outputs]
        stated = getattr(app.env, "proof_list", {})
        for cell in notebook.cells:
            for number, said in enumerate(cell.source.splitlines(), 1):
                if said.strip().startswith(":label:"):
                    stated.get(said.strip()[7:].strip(), {})["place"] = f", cell {cell.id}, line {number}"
        records(app.env)[app.env.docname] = [data[MIME] | {"cell": id} for id, data in outputs if MIME in data]


def statement(proof):
    """The text of a result, with formulas between dollar signs."""

    def words(node):
        if isinstance(node, (nodes.math, nodes.math_block)):
            sign = "$" if isinstance(node, nodes.math) else "$$"
            return f"{sign}{node.astext()}{sign}"
        return node.child_text_separator.join(map(words, node.children)) if node.children else node.astext()

    title, body = proof.children
    return " ".join(f"{words(title).strip('() ')}. {words(body)}".split())


def records(env):
    """{docname: its checks, in the order they ran}."""
    if not hasattr(env, "ledger_records"):
        env.ledger_records = {}
    return env.ledger_records


def claims(env, docname):
    """The ids of the results that a page states, in order."""
    stated = getattr(env, "proof_list", {}).items()
    return [label for label, proof in stated if proof["docname"] == docname and proof["realtype"] in RESULTS]


def verify(app, env):
    """Stop unless claims and checks match; return the pages that show the whole book's records."""
    problems = []
    for docname in sorted(env.found_docs):
        stated, ran = claims(env, docname), records(env).get(docname, [])
        sound = {record["id"] for record in ran if record["kind"] != BROKEN}
        file = env.doc2path(docname, base=False)
        places = {id: env.proof_list[id].get("place", "") for id in stated}
        # Of a result that has no label mistakes.py tells that.
        unchecked = [id for id in stated if id not in sound and (places[id] or not file.endswith(".ipynb"))]
        strange = {r["id"]: r["cell"] for r in reversed(ran) if r["id"] not in stated}
        for id, cell in sorted(strange.items()):
            nearest = next(iter(get_close_matches(id, unchecked or [id for id in stated if places[id]], 1, 0)), None)
            if nearest in unchecked:  # one mistake, seen from both sides
                unchecked.remove(nearest)
                meant = f", and claim '{nearest}' ({places[nearest].strip(', ')}) has no check: give both the same id"
            else:
                meant = ": correct the id, or give it to a statement as its label"
                if nearest:
                    meant += f"; the nearest label is '{nearest}' ({places[nearest].strip(', ')})"
            line = line_of(id, env.doc2path(docname), cell)
            problems.append(f"{file}, cell {cell}, line {line}: check '{id}' has no claim{meant}")
        for id in unchecked:
            problems.append(f"{file}{places[id]}: claim '{id}' has no check: write check.close(\"{id}\", …) under it")
    if problems:  # raised here, before the environment is saved, so that the next build looks again
        raise ExtensionError("the ledger does not balance:\n  " + "\n  ".join(problems))
    return [env.ledger_page] if hasattr(env, "ledger_page") else []


def line_of(id, path, cell):
    """The line of a cell that names the id in quotes; else, for a loop may have made it, the first that checks."""
    source = next(c.source for c in nbformat.read(path, as_version=4).cells if c.id == cell)
    for sign in (rf"[\"']{id}[\"']", r"\bcheck\.", ""):
        for number, line in enumerate(source.splitlines(), 1):
            if re.search(sign, line):
                return number


def resolve(app, doctree, docname):
    """Put a table for each `{ledger}`."""
    env = app.env
    for node in list(doctree.findall(ledger_table)):
        whole = node["whole"]
        pages = env.toctree_includes.get(env.config.root_doc, []) if whole else [docname]
        parts = [part for page in pages for part in chapter(app, docname, page, whole)]
        node.replace_self(([choices(app, pages)] if whole else []) + parts)


def choices(app, pages):
    """What page.js needs to show one chapter or one kind; hidden where no script runs."""
    titles = [app.env.titles[page].astext() for page in pages if claims(app.env, page)]

    def select(name, words):
        options = "".join(f"<option>{escape(word, quote=False)}</option>" for word in ("all", *words))
        return f'<label>{name} <select autocomplete="off">{options}</select></label>'

    selects = f"{select('Chapter', titles)} {select('Kind', (*KINDS, BROKEN))}"
    return nodes.raw("", f'<p class="ledger-filter" hidden>{selects} <output></output></p>', format="html")


def line(app, docname, id, page=None):
    """The one line of a claim of `page`: what ran for it there, and how near the worst came to its tolerance."""
    page = page or docname
    checks = [r for r in records(app.env).get(page, []) if r["id"] == id]
    sound = [r for r in checks if r["kind"] != BROKEN]
    said = sound[0]["seen"] if len(sound) == 1 else f"{len(sound)} comparisons{worst(sound)}"
    paragraph = nodes.paragraph("", "", nodes.inline("", "✓ ", classes=["check-mark"]), classes=["check", "check-pass"])
    claim = link(app, docname, page, id, "")
    claim += nodes.literal("", id)
    kinds = ", ".join(dict.fromkeys(r["kind"] for r in sound if r["kind"] != "exact"))
    book = getattr(app.env, "ledger_page", None)
    paragraph += [claim, nodes.Text(" "), link(app, docname, book, f"ledger-{id}", said) if book else nodes.Text(said)]
    if kinds:
        paragraph += nodes.inline("", f" {kinds}", classes=["check-kind"])
    return paragraph


def worst_of(times):
    return f", worst of {times}" if times > 1 else ""


def worst(checks):
    """The largest error and its share of the tolerance; where all are bounds, the share of the nearest one."""
    close = [r for r in checks if r["how"] == "close" and r["error"] is not None]
    share = max((1 / m for m in map(margin, close or checks) if m), default=None)
    if not close:
        return "" if share is None else f" · worst at {percent(share)} of its bound"
    if share is None:
        return " · no difference"
    return f" · worst {max(r['error'] for r in close):.1g}, {percent(share)} of tolerance"


def percent(share):
    return f"{share:.0%}" if share > 0.005 else "less than 1%"


def margin(r):
    """How many times the error fits into its tolerance (for a broken variant: the tolerance into its error)."""
    if r["error"] is None or r["tolerance"] is None or r["error"] <= 0 or r["tolerance"] <= 0:
        return None
    return r["error"] / r["tolerance"] if r["kind"] == BROKEN else r["tolerance"] / r["error"]


def gathered(checks):
    """[(check, how many)]: of the comparisons of a claim in one cell that are alike, the one nearest to its limit."""
    groups = {}
    for r in checks:
        alike = r["how"] if r["how"] in ("close", "below") else (r["how"], r["seen"])
        groups.setdefault((r["id"], r["cell"], r["kind"], r["dtype"], alike), []).append(r)
    return [(min(group, key=lambda r: margin(r) or inf), len(group)) for group in groups.values()]


def chapter(app, docname, page, whole):
    """The table of one chapter: under its title in the whole book, else folded; nothing where it makes no claim."""
    stated, ran = claims(app.env, page), records(app.env).get(page, [])
    if not stated:
        return []
    rows = [[text(head) for head in ("Claim", "Kind", "Measured", "Allowed", "Margin", "dtype")]]
    for id in stated:
        for i, (r, times) in enumerate(gathered([r for r in ran if r["id"] == id])):
            claim = nodes.paragraph("", "", link(app, docname, page, id, id))
            if whole and i == 0:
                claim["ids"].append(f"ledger-{id}")
            measured, allowed = r["seen"], "–"
            if r["tolerance"] is not None:
                measured, allowed = r["seen"].replace(">", "≤").split(" ≤ ", 1)
                if r["kind"] == BROKEN:
                    bound, _, what = allowed.partition(": ")
                    measured, allowed = f"{measured}: {what}", f"must exceed {bound}"
            room = "–" if (m := margin(r)) is None else f"{m:.3g}"
            measured += worst_of(times)
            rows.append([claim, *map(text, (r["kind"], measured, allowed, room, r["dtype"] or "–"))])
    broken = sum(r["kind"] == BROKEN for r in ran)
    summary = f"{len(stated)} claims; {len(ran) - broken} checks, all passed; {broken} broken variants, all caught."
    raw = lambda markup: nodes.raw("", markup, format="html")
    if whole:
        title = nodes.rubric("", "", link(app, docname, page, "", app.env.titles[page].astext()))
        return [raw('<div class="ledger-chapter">'), title, text(summary), table(rows), raw("</div>")]
    return [raw(f'<details class="ledger"><summary>{summary}</summary>'), table(rows), raw("</details>")]


def table(rows):
    """A docutils table; the first row is its head."""
    group = nodes.tgroup("", *[nodes.colspec(colwidth=1) for _ in rows[0]], cols=len(rows[0]))
    made = [nodes.row("", *[nodes.entry("", cell) for cell in row]) for row in rows]
    group += [nodes.thead("", made[0]), nodes.tbody("", *made[1:])]
    return nodes.table("", group, classes=["ledger"])


def text(words):
    return nodes.paragraph("", words)


def link(app, here, there, anchor, words):
    uri = app.builder.get_relative_uri(here, there) + (f"#{anchor}" if anchor else "")
    return nodes.reference("", words, internal=True, refuri=uri)


def write(app, error):
    """The ledger of the whole book as data."""
    if error or not hasattr(app.env, "ledger_page"):
        return
    data = {"seed": seed(), "versions": app.config.versions, "claims": []}
    for page in app.env.toctree_includes.get(app.env.config.root_doc, []):
        for id in claims(app.env, page):
            checks = [r | {"margin": margin(r)} for r in records(app.env)[page] if r["id"] == id]
            for check in checks:
                del check["id"]
            link = app.builder.get_target_uri(page) + f"#{id}"
            said = app.env.proof_list[id]["statement"]
            data["claims"].append({"id": id, "chapter": page, "link": link, "statement": said, "checks": checks})
    text = json.dumps(data, ensure_ascii=False, indent=1) + "\n"
    Path(app.outdir, "ledger.json").write_text(text, "utf-8")


def purge(app, env, docname):
    records(env).pop(docname, None)


def merge(app, env, docnames, other):
    records(env).update({d: r for d, r in records(other).items() if d in docnames})
    if hasattr(other, "ledger_page"):
        env.ledger_page = other.ledger_page


def setup(app):
    app.add_node(ledger_table)
    app.add_directive("ledger", Ledger)
    app.connect("doctree-read", collect)
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", verify)
    app.connect("doctree-resolved", resolve)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
