"""The author's path: what a failed build says, and the usual mistakes that Sphinx would pass over."""

import subprocess
import sys

import nbformat
import pytest
from docutils import nodes
from pypdf import PdfReader

from helpers.browser import ROOT

sys.path[:0] = [str(ROOT / "book"), str(ROOT / "book/_ext")]
import build  # noqa: E402
import formulas  # noqa: E402
import mistakes  # noqa: E402
import provenance  # noqa: E402

NOTEBOOK = min(ROOT.glob("notebooks/*.ipynb"))


def test_each_problem_is_told_once_with_its_cell(capsys):
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    said = [
        "\x1b[01mreading sources... \x1b[39;49;00m",
        f"{NOTEBOOK}:20003: WARNING: \x1b[91mcould not find it\x1b[39;49;00m",
        "[IPKernelApp] WARNING | Kernel is running over TCP",
        "WARNING: no place",
        "Extension error:",
        f"{NOTEBOOK}: cell a, line 3: AssertionError: claim b",
        "Traceback (most recent call last):",
        "  a long story",
    ]
    name = NOTEBOOK.relative_to(ROOT).as_posix()
    assert build.read(said) == [
        f"{name}, cell {cells[1].id}, line 3: could not find it",
        "no place",
        f"{name}: cell a, line 3: AssertionError: claim b",
    ]
    assert capsys.readouterr().out == "reading sources... \n"


def test_a_book_is_built_again_when_something_has_changed(tmp_path, monkeypatch):
    file = tmp_path / "notebooks/01_a.ipynb"
    file.parent.mkdir()
    file.write_text("{}")
    seen = [build.digest(tmp_path)]
    (tmp_path / "_build").mkdir()
    (tmp_path / "_build/page.html").write_text("what is built does not count")
    assert build.digest(tmp_path) == seen[0]
    file.write_text("[]")
    seen.append(build.digest(tmp_path))
    file.rename(file.with_name("02_a.ipynb"))
    seen.append(build.digest(tmp_path))
    monkeypatch.setenv("BOOK_SEED", "7")
    seen.append(build.digest(tmp_path))
    assert len(set(seen)) == 4


def test_a_chapter_alone_may_refer_to_the_rest_of_the_book():
    assert build.lies_elsewhere("x: undefined label: 'ex-rnn-linear' [ref.ref]")
    assert build.lies_elsewhere("x: equation not found: eq-rnn-attention")
    assert not build.lies_elsewhere("x: equation not found: eq-rnn-nothing")
    assert not build.lies_elsewhere('x: could not find bibtex key "nobody"')


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("```{prf:theorem} T\n:label: a\n\nIt holds.\n```", []),
        ("```{prf:theorem} T\n\nIt holds.", [1]),
        ("````{solution} a\n```{prf:theorem} T\n```\n````", []),
        ("a\n````{solution} a\n```{prf:theorem} T\n````", [3]),
        (":::{note}\n```\ncode\n```\n:::", []),
    ],
)
def test_fences_are_closed(text, wrong):
    assert [line for line, _ in mistakes.fences(text)] == wrong


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("rng = np.random.default_rng()", True),
        ("rng = np.random.default_rng(3)", True),
        ("rng = np.random.default_rng([seed(), 3])", False),
        ("torch.manual_seed(0)", True),
        ("torch.manual_seed(seed())", False),
        ("x = np.random.normal(size=3)", True),
        ("random.shuffle(x)", True),
        ("rng.random.shuffle(x)", False),
        ("print(x)", True),
        ("pprint(x)  # print(x)", False),
    ],
)
def test_code_is_seeded_and_silent(line, wrong):
    assert bool(list(mistakes.code(line))) == wrong


def test_a_chapter_depends_on_the_helpers_it_imports_and_no_others():
    names = lambda code: {path.stem for path in provenance.imported(code)}
    door = {"__init__", "check", "explore", "moving", "predict", "seed", "sketch"}
    assert names("from helpers import check, seed") == door
    assert names("import numpy\nfrom helpers.streaming import fold") == door | {"streaming"}
    assert names("import numpy") == set()


def test_the_error_of_a_notebook_is_told_with_its_cell():
    cell = next(c for c in nbformat.read(NOTEBOOK, as_version=4).cells if c.cell_type == "code")
    traceback = f"----\n{cell.source}\n----\n\x1b[31mCell In[1], line 2\x1b[0m\nValueError: x is 3; it must be 4"
    assert (
        provenance.why(NOTEBOOK, traceback) == f"{NOTEBOOK}: cell {cell.id}, line 2: ValueError: x is 3; it must be 4"
    )


def test_a_formula_keeps_the_point_after_it():
    """Also where two formulas of a paragraph are followed by equal words; one that may break is left alone."""
    parts = [nodes.math("", "a"), nodes.Text(", "), nodes.math("", "b=c"), nodes.Text(", "), nodes.math("", "d")]
    paragraph = nodes.paragraph("", "", *parts, nodes.Text(", then"))
    formulas.hold(None, paragraph, "")
    assert paragraph.astext() == "a, b=c, d, then"
    assert [part.astext() for part in paragraph if isinstance(part, nodes.inline)] == ["a,", "d,"]


@pytest.mark.parametrize("tex", ["x", r"\big(x\big)", r"\sqrt{x}", r"\Big[\frac ab\Big]"])
def test_a_coloured_term_has_the_colour_of_the_theme(tex):
    made = formulas.typeset(rf"\textcolor{{blue}}{{{tex}}}", None)
    assert "t-blue" in made and "color:blue" not in made.partition("katex-html")[2]


def test_the_printed_book_has_numbers_bookmarks_and_links(tmp_path):
    page = '<title>T</title><section><h1>{0} & more<a class="headerlink" href="#">#</a></h1>{1}</section>'
    toc = "root: one\nparts: [{caption: Part, chapters: [{file: two}, {file: book/ledger}]}]\n"
    (tmp_path / "_toc.yml").write_text(toc)
    html = tmp_path / "_build/html"
    html.mkdir(parents=True)
    links = '<p class="download"></p><a href="two.html#far">far</a> <a href="book/ledger.html">no</a>'
    (html / "one.html").write_text(page.format("One", links))
    far = "<h2 id='far' style='break-before: page'>Far</h2>"
    (html / "two.html").write_text(page.format("Two", far))
    (html / "book").mkdir()
    (html / "book/ledger.html").write_text(page.format("Ledger", ""))
    subprocess.run([sys.executable, ROOT / "book/pdf.py", tmp_path], check=True, capture_output=True)
    made = PdfReader(html / "derive-then-check.pdf")
    texts = [page.extract_text() for page in made.pages]  # cover, contents, One, Two, Far
    assert "Two & more" in texts[1] and texts[1].split()[-1] == "4" and texts[4].split() == ["5", "Far"]
    assert [mark.title for mark in made.outline if not isinstance(mark, list)] == ["One & more", "Two & more"]
    _, link = [entry.get_object() for entry in made.pages[2]["/Annots"]]
    assert made.get_page_number(link["/Dest"][0].get_object()) == 4 and "/A" not in link
    assert "PDF</a> of 5 pages" in (html / "one.html").read_text("utf-8")
