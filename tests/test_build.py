"""The author's path: what a failed build says, and the usual mistakes that Sphinx would pass over."""

import json
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest
from docutils import nodes
from docutils.core import publish_doctree
from docutils.utils import new_document
from myst_parser.docutils_ import Parser
from pypdf import PdfReader
from sphinx.errors import ExtensionError

from helpers.browser import ROOT

sys.path[:0] = [str(ROOT / "book"), str(ROOT / "book/_ext")]
import build  # noqa: E402
import cells  # noqa: E402
import formulas  # noqa: E402
import mistakes  # noqa: E402
import pictures  # noqa: E402
import provenance  # noqa: E402

NOTEBOOK = min(ROOT.glob("notebooks/*.ipynb"))


def test_each_problem_is_told_once_with_its_cell(capsys):
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    said = [
        "\x1b[01mreading sources... \x1b[39;49;00m",
        f"{NOTEBOOK}:20004: WARNING: \x1b[91mcould not find it [a.b]\x1b[39;49;00m",
        "[IPKernelApp] WARNING | Kernel is running over TCP",
        "WARNING: no place",
        f"{NOTEBOOK}:: WARNING: a file and no line",
        f"{NOTEBOOK}.rst: WARNING: duplicate label: a",
        'WARNING: Duplicate explicit target name: "fig-a"',
        "WARNING: duplicate label fig-a, other instance in b",
        'CRITICAL: Duplicate ID: "a".',
        "Extension error:",
        f"{NOTEBOOK}: cell a, line 3: AssertionError: claim b",
        "Traceback (most recent call last):",
        "  a long story",
    ]
    name = NOTEBOOK.relative_to(ROOT).as_posix()
    told, again = build.read(said)
    assert told == [
        f"{name}, cell {cells[1].id}, line 3: could not find it",
        "no place",
        f"{name}: a file and no line",
        f"{name}: cell a, line 3: AssertionError: claim b",
    ]
    assert [said[:13] for said in again] == [name[:13], "Duplicate exp", "duplicate lab", "Duplicate ID:"]
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
    assert build.lies_elsewhere("x: prf:ref reference target not found: skip-others")
    assert not build.lies_elsewhere("x: prf:ref reference target not found: skip-others", "07")
    assert not build.lies_elsewhere("x: prf:ref reference target not found: skip")
    assert build.lies_elsewhere("x: Unknown source document 'notebooks/04_interpolative_decomposition' [myst.xref]")
    assert build.lies_elsewhere("x: undefined label: 'fig-skip-valves'")
    assert build.lies_elsewhere("x: undefined label: 'mj-which' [ref.ref]: correct the name")
    assert build.lies_elsewhere("x: label 'skip-others' not found.")
    assert build.lies_elsewhere("x: unknown document: 'book/errata' [ref.doc]")
    assert not build.lies_elsewhere("x: unknown document: 'notebooks/04_interpolative_decomposition.md' [ref.doc]")
    assert not build.lies_elsewhere("x: equation not found: skip-others")
    assert not build.lies_elsewhere("x: undefined label: 'eq-rnn-attention'")
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


@pytest.fixture
def told(monkeypatch):
    """What the mistakes of an author are told as: (place, words)."""
    told = []

    def warning(words, *arguments, location=None, type=None):
        told.append((location, words % arguments))

    monkeypatch.setattr(mistakes, "LOGGER", SimpleNamespace(warning=warning))
    monkeypatch.setattr(formulas, "LOGGER", SimpleNamespace(error=warning))
    monkeypatch.setattr(pictures, "LOGGER", SimpleNamespace(warning=warning))
    return told


def app(folder):
    return SimpleNamespace(
        srcdir=folder, env=SimpleNamespace(docname="b", doc2path=lambda name: str(folder / f"{name}.ipynb"))
    )


def write(path, *texts):
    """A notebook of the cells cell-0, cell-1 …, text and code by turns; returns what is in its file."""
    kinds = [nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell]
    cells = [kinds[n % 2](text, id=f"cell-{n}") for n, text in enumerate(texts)]
    path.write_text(json.dumps(nbformat.v4.new_notebook(cells=cells), indent=1))
    return path.read_text()


def test_results_have_labels_and_solutions_an_exercise():
    text = "```{prf:theorem} A\n:class: b\n:label: a\n```\n:::{prf:lemma} B\n:::\n````{solution} ex-a\n````"
    assert [(line, what.split(",")[0]) for line, what in mistakes.directives(text, {"a"})] == [
        (5, "this lemma has no label: give it one"),
        (7, "solves ex-a"),
    ]
    assert len(list(mistakes.directives(text, {"a", "ex-a"}))) == 1


def text(id, old, new):
    def change(cells):
        assert old in cells[id]["source"]
        cells[id]["source"] = cells[id]["source"].replace(old, new, 1)

    return change


def form(id, **metadata):
    return lambda cells: cells[id].update(metadata=metadata)


@pytest.mark.parametrize(
    ("change", "place", "said"),
    [
        (form("checked", tags=["check"]), ("checked", 1), "open in JupyterLab: add"),
        (form("checked", jupyter={"source_hidden": True}), ("checked", 1), "open on the page: give it one of the tags"),
        (
            form("checked"),
            ("checked", 2),
            "check stands in an open cell, and lacks the tag 'check' or 'machinery': add",
        ),
        (form("idea", tags=["check", "broken"], jupyter={"source_hidden": True}), ("idea", 1), "tags check and broken"),
        (text("broken", "check.fails(", "n = 1\ncheck.close(n)\ncheck.fails("), ("broken", 2), "check.close stands"),
        (text("idea", "def", "x = torch.rand(3)\n\ndef"), ("idea", 1), "torch.manual_seed(seed()): put it"),
        (text("breaks", "{solution} ex-PREFIX-2", "{note}"), ("breaks", 21), "{solution} ex-PREFIX-2 under it"),
        (text("broken", "check.fails(", "print("), ("title", 1), "write a check.fails"),
        (text("opening", "explore(", "show("), ("title", 1), "make one with explore"),
        (text("breaks", "{include}", "{literalinclude}"), ("breaks", 1), "chapter_end.md: add it"),
        (text("title", "plain", "plain " * 150), ("opening", 1), "words stand before the first picture: leave 150"),
        (form("setup"), ("setup", 1), "open before any picture: move it"),
    ],
)
def test_a_chapter_has_its_form(change, place, said):
    cells = json.loads((ROOT / "book/chapter.ipynb").read_text("utf-8"))["cells"]
    cells = {cell["id"]: cell | {"source": "".join(cell["source"])} for cell in cells}
    seen = lambda: [*mistakes.ranks(made := list(cells.values())), *mistakes.unseeded(made), *mistakes.lacks(made)]
    assert seen() == []
    change(cells)
    [(n, line, words), *_] = seen()[::-1]
    assert (list(cells)[n], line) == place and said in words, words


def test_a_chapter_has_four_exercises():
    cells = [{"cell_type": "markdown", "source": "```{exercise} A\n:class: b\n:label: ex-a\n```\n{solution} ex-a"}]
    assert "has four exercises or more, and this one 1" in [words for *_, words in mistakes.lacks(cells)][1]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("a <b>c</b> <br> d <img src='e'/>", []),
        ("a\nb <b>c *d*", [(2, "<b> is not closed: close it")]),
        (
            "a\n\n- b <i>c <b>d</i></b>",
            [(3, "<i> is not closed: close it"), (3, "</i> closes nothing: open or drop it")],
        ),
        ("<div>\n\na\n\n</div>", []),
        ("a\n\n<div>\n\na", [(3, "<div> is not closed: close it")]),
        ("`<b>` and $a<b$", []),
    ],
)
def test_markup_is_closed(tmp_path, told, text, wrong):
    page = publish_doctree(text, parser=Parser(), settings_overrides={"myst_enable_extensions": ["dollarmath"]})
    mistakes.markup(app(tmp_path), page)
    assert [(line, words.removesuffix(" in the same paragraph")) for (_, line), words in told] == wrong


def test_labels_and_ids_are_given_once(tmp_path, told):
    """Also where the other notebook is not built with this one; a curve may have any label."""
    write(tmp_path / "a.ipynb", ":label: a", 'show(fig, label="fig-a")\nplot(x, label="c")')
    source = write(tmp_path / "b.ipynb", "x\n:label: a", 'show(fig, label="fig-a")\nplot(x, label="c")', ":label: c")
    mistakes.read(app(tmp_path), "b", [source.replace("cell-2", "cell-0")])
    assert told == [
        (("b", 10_003), "the label a is taken, in a.ipynb: give it another name"),
        (("b", 20_002), "the label fig-a is taken, in a.ipynb: give it another name"),
        (("b", 30_002), "an earlier cell has this id: give it another"),
    ]


def test_a_boxed_cell_goes_into_the_box_before_it(monkeypatch):
    """Not into one that explains a check, nor where no box is."""
    told = []
    monkeypatch.setattr(cells, "LOGGER", SimpleNamespace(warning=lambda *words, location, type: told.append(location)))
    boxes = [nodes.admonition(classes=kinds) for kinds in (["dropdown"], ["check", "dropdown"])]
    boxed = [nodes.container(nb_element="cell_code", classes=["tag_machinery", "tag_boxed"]) for _ in range(4)]
    page = new_document("")
    page += [boxed[0], boxes[0], boxed[1], boxed[2], boxes[1], boxed[3]]
    cells.Boxes(page).apply()
    assert boxes[0].children == boxed[1:3] and page.children == [boxed[0], *boxes, boxed[3]]
    assert told == [boxed[0], boxed[3]]


def test_what_a_cell_writes_to_stderr_is_told(tmp_path, told):
    parts = [nodes.literal_block("", said, classes=["output", "stderr"]) for said in ("/t/1/2.py:3: W: a\n b", "c\nd")]
    page = new_document("")
    page += [*parts, nodes.literal_block("", "e", classes=["output"])]
    for part in parts:
        part.line = 20_002
    mistakes.outputs(app(tmp_path), page)
    advice = ": mend that, or silence it where it is meant"
    assert told == [
        (("b", 20_004), f"writes to stderr: W: a{advice}"),
        (("b", 20_002), f"writes to stderr: c{advice}"),
    ]


def test_a_chapter_is_in_the_contents_and_on_the_front_page(tmp_path, told):
    for folder in ("notebooks", "book"):
        (tmp_path / folder).mkdir()
    for name in "abc":
        (tmp_path / f"notebooks/{name}.ipynb").touch()
    (tmp_path / "_toc.yml").write_text("- file: notebooks/a\n- file: notebooks/b\n")
    (tmp_path / "book/intro.md").write_text("notebooks/a fig-a A?\nnotebooks/c fig-c C?\n")
    mistakes.left_out(app(tmp_path), None)
    assert [words.partition(":")[0] for _, words in told] == [
        "notebooks/b.ipynb has no card",
        "notebooks/c.ipynb is not in _toc.yml",
    ]


def test_an_error_in_a_formula_is_one_line_with_its_place(told):
    formulas.typeset("\\frac{1\n{2}", "here", display=True)
    formulas.typeset(r"\odd n", "there")
    assert "\\odd n" in told.pop()[1].partition("position")[2]
    [(place, words)] = told
    assert place == "here" and words.startswith(r"the formula \frac{1 {2} cannot be set: ") and "\n" not in words


def test_a_figure_has_the_place_of_its_cell_and_keeps_its_label(told):
    raw = nodes.raw("", '<figure class="explore" id="fig-a">x<figcaption>y</figcaption></figure>', format="html")
    raw.source, raw.line = "a.ipynb", 20_002
    page = new_document("")
    source = nodes.literal_block("", 'show(\n    fig,\n    label="fig-a",\n    caption="y",\n)\nshow(caption="z")')
    page += nodes.container("", source, nodes.container("", raw), nb_element="cell_code")
    page += nodes.container("", raw.deepcopy())
    pictures.Pictures(page).apply()
    figures = list(page.findall(nodes.figure))
    assert [figure.children[-1].line for figure in figures] == [20_005, 20_002]
    assert [(figure.source, figure.line) for figure in figures] == [("a.ipynb", 20_002)] * 2
    assert [figure["names"] for figure in figures] == [["fig-a"], []]  # the first keeps it
    assert len({*figures[0]["ids"], *figures[1]["ids"]}) == 2
    assert [words for _, words in told] == ['Duplicate explicit target name: "fig-a"']


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The files that are read before anything is built, of a book that is nothing else."""
    monkeypatch.setattr(build, "ROOT", tmp_path)
    (tmp_path / "book").mkdir()
    (tmp_path / "_config.yml").write_text("title: a\n")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: a\n")
    (tmp_path / "book/references.bib").write_text("@misc{a, title = {b}}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("_config.yml", "a: [\nb: c", "line 2"),
        ("_toc.yml", "format: a: b", "line 1"),
        ("_toc.yml", "format: jb-book", "root"),
        ("book/references.bib", "@misc{a, title = {b}", "line 1"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(small, file, text, said):
    assert list(build.unreadable()) == []
    (small / file).write_text(text)
    with pytest.raises(SystemExit, match=f"{file} cannot be read: .*{said}"):
        build.main()


def test_a_chapter_is_not_built_where_sphinx_has_stopped(small, monkeypatch):
    (small / "notebooks").mkdir()
    (small / "notebooks/09_a.ipynb").touch()
    monkeypatch.setattr(build.subprocess, "Popen", lambda *_, **__: SimpleNamespace(stdout=[], wait=lambda: 1))
    with pytest.raises(SystemExit, match="without a reason"):
        build.main("09")


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
    traceback = f"a\n----\n{cell.source}\n----\n\x1b[31mCell In[1], line 2\x1b[0m\nValueError: x is 3; it must be 4"
    assert (
        provenance.why(NOTEBOOK, traceback) == f"{NOTEBOOK}, cell {cell.id}, line 2: ValueError: x is 3; it must be 4"
    )


def test_an_error_is_told_where_it_arose_with_all_its_lines(tmp_path):
    """Also in a function of an earlier cell, and in a cell whose text stands in another one too."""
    path = tmp_path / "a.ipynb"
    write(path, "A", "n = 5", "B", "n = 5\nf(n)")
    frames = "cell-3\nCell In[2], line 2\n1 n = 5\n----> 2 f(n)\n\nCell In[1], line 1, in f(x)\n"
    message = "ValueError: x is [1\n 2]; it must be 1"
    place = "cell cell-1, line 1, called in cell cell-3, line 2"
    assert provenance.why(path, frames + message) == f"{path}, {place}: ValueError: x is [1 2]; it must be 1"
    assert len(provenance.why(path, frames + message.replace("1", "1 " * 999))) < 700
    assert "could not be run" in provenance.why(path, None)


def test_an_argument_is_told_with_its_own_line(tmp_path):
    """Where it has one: a call is told by Python with the line in which it begins."""
    path = tmp_path / "a.ipynb"
    write(path, "A", 'n = 5\nshow(\n    fig,\n    caption="A",\n    alt="$n$",\n)\nb(\n    c=1,\n)')
    told = lambda line, message: provenance.why(path, f"cell-1\nCell In[1], line {line}\n{message}")
    assert "cell cell-1, line 5: ValueError: alt is" in told(2, "ValueError: alt is '$n$'; it must be words")
    assert "cell cell-1, line 4: TypeError: claim a-b: caption has" in told(2, "TypeError: claim a-b: caption has 2")
    assert "cell cell-1, line 2: ValueError: c is" in told(2, "ValueError: c is 1; it must be 2")
    assert "cell cell-1, line 2: NameError" in told(2, "NameError: name 'fig' is not defined")


@pytest.mark.parametrize(
    ("code", "said"),
    [("import os\nos._exit(1)", "the kernel died"), ("while True:\n    pass", "the cell took too long")],
)
def test_a_cell_that_ends_its_kernel_or_never_ends_is_named(tmp_path, code, said):
    path = tmp_path / "a.ipynb"
    write(path, "A", "n = 1", "B", code, "C", "n = 2")
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    how = SimpleNamespace(timeout=2, allow_errors=False)
    result = provenance.Worker.execute(SimpleNamespace(nb=notebook, uri=str(path)), how)
    assert result.err and provenance.why(path, result.exc_string).startswith(f"{path}, cell cell-3: {said}")


def test_a_notebook_that_cannot_be_read_is_named_with_the_place(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text('{"cells":\n [{"id": "one"}, {"id": "two",\n "source": [,')
    with pytest.raises(ExtensionError, match=r"a\.ipynb, cell two, line 3 of the file: not JSON, .*: mend it there"):
        provenance.digest(path)
    path.write_text(write(path, "A").replace('"cell_type": "markdown",', ""))
    with pytest.raises(ExtensionError, match=r"a\.ipynb, cell cell-0: it has no cell_type: add that"):
        provenance.digest(path)


def test_a_formula_keeps_the_point_after_it():
    """Also where two formulas of a paragraph are followed by equal words; one that may break is left alone."""
    parts = [nodes.math("", "a"), nodes.Text(", "), nodes.math("", "b=c"), nodes.Text(", "), nodes.math("", "d")]
    paragraph = nodes.paragraph("", "", *parts, nodes.Text(", then"))
    formulas.hold(None, paragraph, "")
    assert paragraph.astext() == "a, b=c, d, then"
    assert [part.astext() for part in paragraph if isinstance(part, nodes.inline)] == ["a,", "d,"]


def test_a_number_keeps_its_percent_sign():
    """Also twice in a text and in two equal ones; what is code or TeX stays as it was written."""
    code = nodes.literal("", "f(80 % 7)"), nodes.math("", "80 % 7")
    paragraph = nodes.paragraph("", "", nodes.Text("80 % or 9 % "), code[0], nodes.Text("80 % or 9 % "), code[1])
    formulas.hold(None, paragraph, "")
    kept = "80\N{NO-BREAK SPACE}% or 9\N{NO-BREAK SPACE}% "
    assert [part.astext() for part in paragraph] == [kept, "f(80 % 7)", kept, "80 % 7"]


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
