"""The notebooks as committed. (Running them: nbmake, through pyproject.toml; their form: book/_ext/mistakes.py.)"""

from pathlib import Path

import nbformat
import pytest
from conftest import SECOND  # of these chapters more is asked than of a new one

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def code(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_output_is_committed(path):
    assert "widgets" not in nbformat.read(path, as_version=4).metadata
    for cell in code(path):
        if cell.outputs or cell.execution_count:
            pytest.fail(f"notebooks/{path.name}, cell {cell.id}: its outputs are kept: run `make fix`", pytrace=False)


@pytest.mark.parametrize("path", [n for n in NOTEBOOKS if n.name.startswith(SECOND)], ids=lambda path: path.stem)
def test_a_chapter_asks_the_reader_twice_before_it_tells(path):
    assert sum(cell.source.startswith("predict(") for cell in code(path)) >= 2
