"""The notebooks in JupyterLab: their text is set, their code is folded by rank, their sliders are alive."""

import json
import os
import socket
import subprocess
import sys
import threading

import nbformat
import pytest
from playwright.sync_api import TimeoutError

from helpers.browser import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
RANKS = {"check", "broken", "machinery"}
FOLDERS = ["_CONFIG_DIR", "_DATA_DIR", "_RUNTIME_DIR", "LAB_SETTINGS_DIR", "LAB_WORKSPACES_DIR"]
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"checkForUpdates": False, "fetchNews": "false"},
    # All cells are there at once, not only those in view.
    "@jupyterlab/notebook-extension:tracker": {"kernelShutdown": True, "windowingMode": "none"},
}
SLIDER = """
import matplotlib.pyplot as plt
from helpers import explore

def draw(t):
    fig, ax = plt.subplots()
    ax.plot([0, t])
    return fig

explore(draw, label="fig-line", caption="Move $t$.", alt="a line up to {t}", handle=lambda t: (1, t), t=[1, 2, 3])
"""
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
OPEN = """async path => {
    book = await jupyterapp.commands.execute("docmanager:open", { path })
    await book.revealed
}"""
# The markdown cells that are not set; if there are none, what a reader sees of MyST, code and formulas aside.
UNSET = r"""() => {
    const cells = book.content.widgets.filter(cell => cell.model.type == "markdown")
    const blank = cells.filter(cell => !cell.node.querySelector(".myst")?.childElementCount)
    return blank.length ? blank.map(cell => "not set: " + cell.model.sharedModel.source) : cells.flatMap(seen)

    function seen(cell) {
        const text = cell.node.querySelector(".myst").cloneNode(true)
        const lost = [...text.querySelectorAll("[title='Cross Reference Not Found'], .katex-error")]
        const found = lost.map(node => "not found: " + node.textContent)
        text.querySelectorAll(".katex, code, pre").forEach(node => node.remove())
        const raw = /.*(`|:::|\{[\w:+-]+\}|^:\w+:|\$|\(eq-|Unknown Directive).*/gm
        return found.concat(text.textContent.match(raw) ?? [])
    }
}"""
FOLDED = """() => book.content.widgets.filter(cell => cell.model.type == "code")
    .map(cell => !cell.node.querySelector(".jp-InputArea") && !!cell.node.querySelector(".jp-InputPlaceholder"))"""


@pytest.fixture(scope="session")
def lab(browser, tmp_path_factory):
    """A page with JupyterLab, and the folder whose notebooks it opens."""
    home = tmp_path_factory.mktemp("lab")
    (home / "notebooks").mkdir()
    (home / "_CONFIG_DIR/labconfig").mkdir(parents=True)
    (home / "_CONFIG_DIR/labconfig/default_setting_overrides.json").write_text(json.dumps(SETTINGS), "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"),
            *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--IdentityProvider.token="),
            f"--ServerApp.root_dir={home / 'notebooks'}",
        ],
        env=os.environ | {f"JUPYTER{name}": str(home / name) for name in FOLDERS},
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        assert any("is running at" in line for line in server.stderr)
        threading.Thread(target=server.stderr.read, daemon=True).start()  # a full pipe would stop the server
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(f"http://127.0.0.1:{port}/lab")
        page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")
        yield page, home / "notebooks"
        page.close()
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def show(lab):
    """A function that opens a notebook in JupyterLab and returns the page."""
    page, folder = lab

    def show(notebook):
        path = folder / f"{len(list(folder.iterdir()))}.ipynb"
        nbformat.write(notebook, path)
        page.evaluate(OPEN, path.name)
        return page

    yield show
    page.evaluate("() => book.dispose()")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_chapter_reads_as_text_and_is_folded(show, path):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = "1"  # JupyterLab takes most of its time over long code, which is not looked at here
    page = show(notebook)
    try:  # a cell is set when the browser is idle, and its references when the cells that they name are
        page.wait_for_function(f"() => !({UNSET})().length", polling=500, timeout=60_000)
    except TimeoutError:
        assert page.evaluate(UNSET) == []
    ranked = [bool(RANKS & set(c.metadata.get("tags", []))) for c in notebook.cells if c.cell_type == "code"]
    assert page.evaluate(FOLDED) == ranked
    page.locator(".jp-InputPlaceholder").first.click()
    ranked[ranked.index(True)] = False
    assert page.evaluate(FOLDED) == ranked


def test_sliders_are_alive(show):
    page = show(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SLIDER)], metadata=KERNEL))
    run = "book.sessionContext.ready.then(() => jupyterapp.commands.execute('notebook:run-all-cells'))"
    page.evaluate(f"() => {{ {run} }}")  # not waited for here, where nothing would end it
    page.get_by_role("img", name="a line up to 1").wait_for(timeout=120_000)
    page.get_by_role("slider").press("ArrowRight")
    page.get_by_role("img", name="a line up to 2").wait_for()
    assert page.locator(".knobs .reach").count() == 1
