"""The ledger balances or the build stops: tiny books, built for real."""

import json
import multiprocessing
import os
import re
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import nbformat
import pytest

EXTENSIONS = Path(__file__).parents[1] / "book" / "_ext"
SCHEMA = EXTENSIONS.parent / "assets/ledger.schema.json"
CONFIG = f"""
execute: {{execute_notebooks: cache, raise_on_error: true}}
only_build_toc_files: true
sphinx:
  local_extensions: {{ledger: {EXTENSIONS}, provenance: {EXTENSIONS}, cells: {EXTENSIONS}, front: {EXTENSIONS}}}
  extra_extensions: [sphinx_proof]
  config: {{suppress_warnings: [mystnb.unknown_mime_type]}}
"""
CLAIM = "```{prf:theorem} T\n:label: a-claim\nIt holds.\n```\n"
INDEX = "# Book\n\n{total}`claims`, {total}`comparisons`, {total}`broken variants`.\n\n```{ledger} all\n```\n"
LEDGER = "\n```{ledger}\n```\n"
PASSES = "check.close('a-claim', 1.0, 1.0, atol=0)"
BREAKS = "check.fails('a-claim', 2.0, 1.0, atol=0.5, broken='a sign')"
# To load Jupyter Book takes most of the time of a tiny build: one process does it, and each build is a fork of it.
FORKS = multiprocessing.get_context("forkserver")
LOADED = ["jupyter_book.cli.main", "jupyter_book.sphinx", "jupyter_cache.executors", "myst_nb.sphinx_ext", "helpers"]
LOADED += ["sphinx_book_theme", "sphinx_exercise", "sphinx_proof", "sphinxcontrib.bibtex", "sphinx.ext.autodoc"]
FORKS.set_forkserver_preload(LOADED)


def jupyter_book(said, *arguments):
    from jupyter_book.cli.main import main

    with open(said, "w") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    main(arguments)


@pytest.fixture
def build(tmp_path):
    """Write a book of one notebook and build it; return the process and its pages."""
    (tmp_path / "_config.yml").write_text(CONFIG)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: index\nchapters: [{file: one}]\n")
    (tmp_path / "index.md").write_text(INDEX)

    def build(text, *codes, tags=("check",)):
        cells = [nbformat.v4.new_markdown_cell(f"# One\n\n{text}")]
        cells += [nbformat.v4.new_code_cell(code, metadata={"tags": list(tags)}) for code in codes]
        for n, cell in enumerate(cells):
            cell.id = f"cell-{n}"
        notebook = nbformat.v4.new_notebook(cells=cells)
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, tmp_path / "one.ipynb")
        said = tmp_path / "said"
        fork = FORKS.Process(target=jupyter_book, args=(said, "build", "-n", "-W", "--keep-going", str(tmp_path)))
        fork.start()
        fork.join()
        pages = {p.stem: p.read_text() for p in (tmp_path / "_build/html").glob("*.html")}
        return SimpleNamespace(returncode=fork.exitcode, said=said.read_text()), pages

    return build


def test_balanced(build, tmp_path):
    done, pages = build(CLAIM + LEDGER, f"from helpers import check\n{PASSES}\n{BREAKS}")
    assert done.returncode == 0, done.said
    chapter, ledger = pages["one"], pages["index"]
    assert "✓" in chapter and "goes red: a sign" in chapter and "How it was checked · 3 lines" in chapter
    assert "1, 1, 1." in ledger
    assert 'href="index.html#ledger-a-claim"' in chapter and 'id="ledger-a-claim"' in ledger
    assert 'href="one.html#a-claim"' in ledger and 'id="a-claim"' in chapter
    assert "must exceed 0.5" in ledger and "must exceed 0.5" in chapter
    data = json.loads((tmp_path / "_build/html/ledger.json").read_text("utf-8"))
    jsonschema.validate(data, json.loads(SCHEMA.read_text("utf-8")))
    [claim] = data["claims"]
    assert (claim["statement"], claim["link"]) == ("T. It holds.", "one.html#a-claim")
    assert [(check["how"], check["margin"]) for check in claim["checks"]] == [("close", None), ("fails", 2)]

    # Only the text changes, so the outputs come from the cache; the ledger must find them there.
    done, pages = build("A word.\n\n" + CLAIM + LEDGER, f"from helpers import check\n{PASSES}\n{BREAKS}")
    assert done.returncode == 0 and "A word." in pages["one"] and "must exceed 0.5" in pages["one"]

    # The check is dropped: the build stops, and stops again although nothing has changed since.
    for _ in range(2):
        done, _ = build(CLAIM, "from helpers import check")
        assert done.returncode != 0 and "claim 'a-claim' has no check" in done.said


def page_text(page):
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", "", page))


def test_one_line_for_a_claim(build):
    """Four comparisons, two of them alike, and two broken variants in three cells: one line each, the rest folded."""
    cells = [
        "from helpers import check\ncheck.close('a-claim', 1.5, 1.0, atol=2)",
        "for x in (1.0, 1.25):\n    check.close('a-claim', x, 1.0, atol=2)\ncheck.below('a-claim', 0.9, 1)",
        "check.fails('a-claim', 9.0, 1.0, atol=1, broken='a sign')\n"
        "check.fails('a-claim', 5.0, 1.0, atol=1, broken='a <2>')",
    ]
    note = "```{admonition} Why\n:class: check\nWe allow $2$.\n```\n"
    done, pages = build(CLAIM + LEDGER + note, *cells)
    assert done.returncode == 0, done.said
    page = pages["one"].partition('class="cell folded')[2]
    outside, inside = page.partition("<details")[::2]
    inside = inside.partition("</details>")[0]
    assert "✓ a-claim 4 comparisons · worst 0.5, 25% of tolerance" in page_text(outside)
    assert "✗ a-claim goes red: a sign (|Δ| 8 &gt; 1)" in page_text(outside)
    assert "✗ a-claim goes red: a &lt;2&gt; (|Δ| 4 &gt; 1)" in page_text(outside)
    assert outside.count('<p class="check') == 3 and inside.count('<p class="check') == 5
    assert "|Δ| 0.25 ≤ 2, worst of 2 exact" in page_text(inside)
    assert "How it was checked · 7 lines" in inside and "We allow" in inside and "We allow" not in outside
    assert (
        "<td><p>4</p></td>" in pages["index"]
        and "|Δ| 0.25, worst of 2" in pages["index"]
        and "<td><p>8</p></td>" in pages["index"]
    )  # margins


def test_ranks_are_held(build):
    note = "```{admonition} Why\n:class: check\nSo.\n```\n\nBut.\n"
    done, _ = build(CLAIM + note, f"from helpers import check\n{PASSES}", tags=())
    said = done.said
    assert done.returncode != 0 and "lacks the tag 'check'" in said and "stands beside no check" in said


def test_a_result_without_a_label_is_left_to_the_mistakes(build):
    done, _ = build(CLAIM + "```{prf:lemma} B\nSo.\n```\n", f"from helpers import check\n{PASSES}")
    assert done.returncode == 0, done.said


def test_unbalanced(build):
    """A broken variant is no evidence for its claim; a check needs a claim: one that has none is what it means."""
    code = f"from helpers import check\n{BREAKS}\nfor id in 'a-' + 'clam', 'other':\n    check.close(id, 1, 1, atol=0)"
    done, _ = build(CLAIM + CLAIM.replace("a-c", "b-c"), code)
    said = done.said
    assert done.returncode != 0
    assert "cell cell-1, line 2: check 'a-clam' has no claim, and claim 'a-claim' (cell cell-0, line 4) has no" in said
    assert "cell cell-1, line 3: check 'other' has no claim, and claim 'b-claim' (cell cell-0, line 8) has no" in said
    assert "write check" not in said


def test_a_check_without_a_claim_names_the_nearest(build):
    done, _ = build(CLAIM, f"from helpers import check\n{PASSES}\ncheck.close('a-clam', 1, 1, atol=0)")
    assert "one.ipynb, cell cell-1, line 3: check 'a-clam' has no claim: correct the id, or give it to a" in done.said
    assert "label; the nearest label is 'a-claim' (cell cell-0, line 4)" in done.said


def test_a_claim_without_a_check_is_told_with_its_place(build):
    """A broken variant is no evidence for it."""
    done, _ = build(CLAIM, f"from helpers import check\n{BREAKS}")
    said = "one.ipynb, cell cell-0, line 4: claim 'a-claim' has no check: write check.close(\"a-claim\", …)"
    assert done.returncode != 0 and said in done.said


def test_a_failing_check_stops_the_build(build):
    done, _ = build(CLAIM, "from helpers import check\ncheck.close('a-claim', 2.0, 1.0, atol=0)")
    assert done.returncode != 0 and "claim a-claim: worst at" in done.said
