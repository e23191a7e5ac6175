"""A browser for the book's pages: where one is, and a server on the loopback for what it opens."""

import functools
import http.server
import os
import shutil
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
MACOS = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find():
    """The path of the browser named by $CHROMIUM, or of the first one on this machine.

    Raises:
        FileNotFoundError: there is none; it says what to install.
    """
    found = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES), MACOS]
    for path in found:
        if path and os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(
        "No Chromium was found. On Debian: apt-get install chromium. Elsewhere: install Chromium or Chrome, "
        "or set CHROMIUM to the path of its program."
    )


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@contextmanager
def serve(folder=ROOT, handler=Quiet):
    """Serve `folder` (the repository, unless another is named) on the loopback; gives its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


if __name__ == "__main__":
    try:
        print(find())
    except FileNotFoundError as error:
        sys.exit(str(error))
