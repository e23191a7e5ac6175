"""Find a Chromium for the tests of the pages: print its path, or say what to install."""

import os
import shutil
import sys

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
    """The path of the browser named by $CHROMIUM, or of the first one on this machine."""
    found = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES), MACOS]
    for path in found:
        if path and os.access(path, os.X_OK):
            return path
    sys.exit(
        "No Chromium was found. On Debian: apt-get install chromium. Elsewhere: install Chromium or Chrome, "
        "or set CHROMIUM to the path of its program."
    )


if __name__ == "__main__":
    print(find())
