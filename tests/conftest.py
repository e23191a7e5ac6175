"""The built book, served on the loopback, and a browser to open it with."""

import functools
import http.server
import threading
from pathlib import Path

import chromium
import pytest
from playwright.sync_api import sync_playwright

HTML = Path(__file__).parents[1] / "_build" / "html"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def book():
    """The address of the built book."""
    if not (HTML / "book" / "intro.html").exists():
        pytest.fail(f"there is no book in {HTML}: run `make book` first")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=HTML))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.FLAGS)
        yield browser
        browser.close()
