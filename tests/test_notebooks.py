"""The notebooks as committed. (Running them: nbmake, through pyproject.toml.)"""

import re
from pathlib import Path

import nbformat
import pytest
from conftest import SECOND

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_no_output_is_committed(notebook):
    assert not [cell.id for cell in code(notebook) if cell.outputs or cell.execution_count]
    assert "widgets" not in notebook.metadata


def test_code_is_folded_by_rank(notebook):
    """Checks, broken variants and machinery are folded, in the page by a tag and in JupyterLab by a mark of its own."""
    for cell in code(notebook):
        ranks = {"check", "broken", "machinery"} & set(cell.metadata.get("tags", []))
        assert len(ranks) <= 1, cell.id
        assert cell.metadata.get("jupyter", {}).get("source_hidden", False) == bool(ranks), cell.id
        assert ranks or not re.search(
            r"\bcheck\.|\b(show|explore|sketch|predict)\(|^(import|from) |\bplt\.", cell.source, re.MULTILINE
        ), cell.id
        assert ranks != {"broken"} or not re.search(r"\bcheck\.(close|below|holds)", cell.source), cell.id


def test_a_chapter_is_whole(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    source = "\n".join(cell.source for cell in code(notebook))
    exercises, solutions = re.findall(r"\{exercise\}", text), re.findall(r"\{solution\}", text)
    assert len(exercises) == len(solutions) >= 4
    assert "check.fails(" in source and "explore(" in source
    assert "```{include} ../book/chapter_end.md" in text


def test_cells_are_named_and_never_printed_by_hand(notebook):
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids) and not [id for id in ids if re.fullmatch("[0-9a-f]{8}", id)]
    assert not [cell.id for cell in code(notebook) if re.search(r"\bprint\(", cell.source)]


@pytest.mark.parametrize(
    "notebook", [n for n in NOTEBOOKS if n.name.startswith(SECOND)], indirect=True, ids=lambda path: path.stem
)
def test_a_chapter_opens_with_a_picture(notebook):
    """Within 150 words, before any open code; and it asks the reader twice before it tells."""
    words, cells = 0, notebook.cells
    first = next(i for i, c in enumerate(cells) if re.search(r"^(show|explore|sketch)\(", c.source, re.MULTILINE))
    for cell in cells[:first]:
        if cell.cell_type == "markdown":
            words += len(cell.source.split())
        else:
            assert set(cell.metadata.get("tags", [])) & {"machinery", "check"}
    assert words <= 150
    assert sum(c.source.startswith("predict(") for c in cells if c.cell_type == "code") >= 2
