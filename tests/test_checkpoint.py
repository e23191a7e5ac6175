"""The trained networks that chapter 7 ships: small, made as the notebook says, and never used when they are not."""

import json
from pathlib import Path

import nbformat
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "07_skip_tuning.ipynb"
SHIPPED = NOTEBOOK.with_suffix(".safetensors")


class Trained(Exception):
    """Training was about to start."""


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """The notebook's own cells up to the one that loads or trains, in a folder with a copy of what is shipped."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / SHIPPED.name).write_bytes(SHIPPED.read_bytes())
    cells = {cell.id: cell.source for cell in nbformat.read(NOTEBOOK, 4).cells if cell.cell_type == "code"}
    names = list(cells)
    space = {}
    for name in names[: names.index("load")]:
        exec(cells[name], space)

    def train():
        raise Trained

    return space | {"train": train, "cell": cells["load"], "file": tmp_path / SHIPPED.name}


def test_what_is_shipped_is_used_and_small(chapter):
    exec(chapter["cell"], chapter)  # does not train
    assert SHIPPED.stat().st_size <= 1_100_000
    tensors = load_file(SHIPPED)
    assert {t.dtype.itemsize for t in tensors.values()} == {2}
    assert all(t.isfinite().all() for t in tensors.values())


def test_metadata_are_those_of_the_notebook(chapter):
    with safe_open(SHIPPED, "pt") as file:
        made = json.loads(file.metadata()["made"])
    assert made["config"] == chapter["CONFIG"]
    assert made["images"] == chapter["digest"](chapter["images"])


@pytest.mark.parametrize("part", ["config", "images", "weights"])
def test_other_metadata_are_refused(chapter, part):
    tensors = chapter["stored"]()
    made = json.loads(chapter["label"](tensors)["made"]) | {part: "another"}
    save_file(tensors, chapter["file"], {"made": json.dumps(made)})
    with pytest.raises(Trained):
        exec(chapter["cell"], chapter)


@pytest.mark.parametrize("damage", ["missing", "empty", "cut short", "no safetensors", "one bit", "no metadata"])
def test_a_damaged_file_is_refused(chapter, damage):
    file, whole = chapter["file"], SHIPPED.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "no metadata":
        save_file(chapter["stored"](), file)
    else:
        flipped = whole[:-1000] + bytes([whole[-1000] ^ 1]) + whole[-999:]
        file.write_bytes(
            {"empty": b"", "cut short": whole[:-2], "no safetensors": b"x" * 5000, "one bit": flipped}[damage]
        )
    with pytest.raises(Trained):
        exec(chapter["cell"], chapter)


def test_another_configuration_is_refused(chapter):
    chapter["CONFIG"]["steps"] += 1
    with pytest.raises(Trained):
        exec(chapter["cell"], chapter)


def test_training_replaces_a_damaged_file_whole(chapter):
    tensors = chapter["stored"]()
    chapter["file"].write_bytes(b"damaged")
    exec(chapter["cell"], chapter | {"train": lambda: tensors})
    assert chapter["file"].read_bytes() == SHIPPED.read_bytes()
    assert [path.name for path in chapter["file"].parent.iterdir()] == [SHIPPED.name]
