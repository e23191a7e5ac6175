"""The built book, served on the loopback, and a browser to open it with."""

import os
import re

# Before numpy and torch are loaded, here, in the workers and in their kernels: with a thread for each core in each of
# them they would wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from xdist.scheduler import LoadScopeScheduling

from helpers.browser import FLAGS, ROOT, find, serve

SECOND = tuple(f"{n:02}_" for n in range(1, 9))  # chapters of the second edition: more is asked of them than of others
HTML = ROOT / os.environ.get("BOOK_HTML", "_build/html")  # another one while a chapter is written


class Scheduling(LoadScopeScheduling):
    """One test after the other to whoever is free; but one worker does all that shares a server."""

    def _split_scope(self, nodeid):
        return nodeid.partition("::")[0] if re.search("test_(lab|ledger)", nodeid) else nodeid


def pytest_xdist_make_scheduler(config, log):
    return Scheduling(config, log)


@pytest.fixture(scope="session")
def book():
    """The address of the built book."""
    if not (HTML / "index.html").exists():
        pytest.fail(f"there is no book in {HTML}: run `make book` first")
    with serve(HTML) as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def package(worker_id):
    """An empty folder in which the tarball of notranslate-math is installed."""
    engines = ROOT / "tests/engines/node_modules"
    if not engines.exists():
        pytest.fail("the engines are not installed: run `make engines`")
    folder = ROOT / "_build/package" / worker_id
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "empty").mkdir(parents=True)
    path = os.pathsep.join(map(str, (engines / ".bin", Path(sys.executable).parent, os.environ["PATH"])))

    def npm(*command, cwd):
        command = [shutil.which("npm", path=path), *command, "--silent", "--offline", "--no-audit", "--no-fund"]
        return subprocess.run(command, cwd=cwd, env={**os.environ, "PATH": path}, check=True, capture_output=True)

    # From a copy: the build writes into the folder, and tests run side by side.
    source = shutil.copytree(ROOT / "notranslate-math", folder / "source", ignore=shutil.ignore_patterns("*.min.js"))
    npm("pack", "--pack-destination", folder, cwd=source)
    npm("install", "--ignore-scripts", "--prefix", ".", next(folder.glob("*.tgz")), cwd=folder / "empty")
    return folder / "empty"


@pytest.fixture(scope="session")
def laboratory(package):
    """The address of the page on which the installed module, minified, is tried."""
    module = (package / "node_modules/notranslate-math/notranslate-math.min.js").relative_to(ROOT).as_posix()
    with serve(ROOT) as address:
        yield f"{address}/tests/engines/lab.html?module=/{module}"
