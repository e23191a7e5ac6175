"""The notebooks as committed. (Running them: nbmake, through pyproject.toml.)"""

import re
from pathlib import Path

import nbformat
import pytest
from conftest import SECOND  # of these chapters more is asked than of a new one

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
    assert len(exercises) == len(solutions) >= 4, "a chapter has four exercises or more, each with a solution"
    assert "check.fails(" in source, "a chapter breaks one variant with check.fails"
    assert "explore(" in source, "a chapter has one picture that moves: explore(…)"
    assert "```{include} ../book/chapter_end.md" in text, "a chapter ends with an {include} of ../book/chapter_end.md"


def test_cells_are_named_and_never_printed_by_hand(notebook):
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids) and not [id for id in ids if re.fullmatch("[0-9a-f]{8}", id)]
    assert not [cell.id for cell in code(notebook) if re.search(r"\bprint\(", cell.source)]


def test_a_chapter_opens_with_a_picture(notebook):
    """Within 150 words, before any open code."""
    words, cells = 0, notebook.cells
    first = next(i for i, c in enumerate(cells) if re.search(r"^(show|explore|sketch)\(", c.source, re.MULTILINE))
    for cell in cells[:first]:
        if cell.cell_type == "markdown":
            words += len(cell.source.split())
        else:
            assert set(cell.metadata.get("tags", [])) & {"machinery", "check"}, f"{cell.id} is open before any picture"
    assert words <= 150, f"{words} words stand before the first picture, {cells[first].id}; 150 may"


@pytest.mark.parametrize(
    "notebook", [n for n in NOTEBOOKS if n.name.startswith(SECOND)], indirect=True, ids=lambda path: path.stem
)
def test_a_chapter_asks_the_reader_twice_before_it_tells(notebook):
    assert sum(cell.source.startswith("predict(") for cell in code(notebook)) >= 2
