"""The built book, served on the loopback, and a browser to open it with."""

import os

import pytest
from playwright.sync_api import sync_playwright

from helpers.browser import FLAGS, ROOT, find, serve

HTML = ROOT / os.environ.get("BOOK_HTML", "_build/html")  # another one while a chapter is written


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
