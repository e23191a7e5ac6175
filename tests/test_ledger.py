"""The ledger balances or the build stops: tiny books, built for real."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

EXTENSIONS = Path(__file__).parents[1] / "book" / "_ext"
CONFIG = f"""
execute: {{execute_notebooks: cache, raise_on_error: true}}
only_build_toc_files: true
sphinx:
  local_extensions: {{ledger: {EXTENSIONS}, provenance: {EXTENSIONS}}}
  extra_extensions: [sphinx_proof]
  config: {{suppress_warnings: [mystnb.unknown_mime_type]}}
"""
CLAIM = "```{prf:theorem} T\n:label: a-claim\nIt holds.\n```\n"
LEDGER = "\n```{ledger}\n```\n"
PASSES = "check.close('a-claim', 1.0, 1.0, atol=0)"
BREAKS = "check.fails('a-claim', 2.0, 1.0, atol=0.5, broken='a sign')"


@pytest.fixture
def build(tmp_path):
    """Write a book of one notebook and build it; return the process and its pages."""
    (tmp_path / "_config.yml").write_text(CONFIG)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: index\nchapters: [{file: one}]\n")
    (tmp_path / "index.md").write_text("# Book\n\n```{ledger} all\n```\n")

    def build(text, code):
        cells = [nbformat.v4.new_markdown_cell(f"# One\n\n{text}"), nbformat.v4.new_code_cell(code)]
        for n, cell in enumerate(cells):
            cell.id = f"cell-{n}"
        notebook = nbformat.v4.new_notebook(cells=cells)
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, tmp_path / "one.ipynb")
        command = [Path(sys.executable).with_name("jupyter-book"), "build", "-n", "-W", "--keep-going", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True)
        pages = tmp_path / "_build" / "html"
        return done, {p.stem: p.read_text() for p in pages.glob("*.html")}

    return build


def test_balanced(build):
    done, pages = build(CLAIM + LEDGER, f"from helpers import check\n{PASSES}\n{BREAKS}")
    assert done.returncode == 0, done.stdout + done.stderr
    chapter, ledger = pages["one"], pages["index"]
    assert "1 check ran, exact; a broken variant goes red" in chapter
    assert 'href="index.html#ledger-a-claim"' in chapter and 'id="ledger-a-claim"' in ledger
    assert 'href="one.html#a-claim"' in ledger and 'id="a-claim"' in chapter
    assert "must exceed 0.5" in ledger and "must exceed 0.5" in chapter

    # Only the text changes, so the outputs come from the cache; the ledger must find them there.
    done, pages = build("A word.\n\n" + CLAIM + LEDGER, f"from helpers import check\n{PASSES}\n{BREAKS}")
    assert done.returncode == 0 and "A word." in pages["one"] and "must exceed 0.5" in pages["one"]

    # The check is dropped: the build stops, and stops again although nothing has changed since.
    for _ in range(2):
        done, _ = build(CLAIM, "from helpers import check")
        assert done.returncode != 0 and "claim 'a-claim' has no check" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (CLAIM, BREAKS, "claim 'a-claim' has no check"),  # a broken variant is no evidence
        (CLAIM, f"{PASSES}\ncheck.close('other', 1, 1, atol=0)", "check 'other' has no claim"),
        (CLAIM, "check.close('a-claim', 2.0, 1.0, atol=0)", "claim a-claim: worst at"),
    ],
)
def test_unbalanced(build, text, code, says):
    done, _ = build(text, f"from helpers import check\n{code}")
    assert done.returncode != 0
    assert says in done.stdout + done.stderr
