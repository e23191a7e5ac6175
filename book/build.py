"""Build the book, or one chapter of it. A build that failed fails again until what is wrong is mended.

What is wrong is told once, last on the screen, with file, cell and line. Usage: build.py [NN]
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from hashlib import sha256
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

ROOT = Path(__file__).parents[1]
NAME = "derive-then-check"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
TOLD = re.compile(r"^(?:(?P<file>/.*?\.\w+)(?::(?P<line>\d+))?: )?(?:WARNING|ERROR|SEVERE|CRITICAL): (?P<what>.*)$")
STOPPED = re.compile(r"^(Extension error|Theme error|Configuration error|Sphinx error|Exception occurred)")
ELSEWHERE = re.compile(r"unknown document: '?([^'\[]+)|undefined label: '?([^'\s\[]+)|equation not found: (\S+)")
NOT_OURS = ("_build", "node_modules", "__pycache__")
TOC = """format: jb-book
root: book/how_to_read
parts:
  - caption: One chapter
    numbered: 1
    chapters: [{{file: {0}}}]
  - caption: Back matter
    chapters: [{{file: book/notation}}, {{file: book/ledger}}]
"""


def main(number=None):
    out, options = ROOT, ["-W", "--keep-going"]
    made_of = ROOT / "_build/html/.made-of"
    if not number:
        now = digest(ROOT)
        if made_of.exists() and made_of.read_text("utf-8") == now:
            return print(f"Nothing has changed since the book was built: {made_of.parent}")
        made_of.unlink(missing_ok=True)
    else:
        found = sorted(ROOT.glob(f"notebooks/{number}_*.ipynb"))
        if not found:
            sys.exit(f"There is no notebook {number}_….ipynb in notebooks/.")
        out = ROOT / "_build/chapters" / number
        out.mkdir(parents=True, exist_ok=True)
        (out / "_toc.yml").write_text(TOC.format(found[0].relative_to(ROOT).with_suffix("").as_posix()), "utf-8")
        options = ["--toc", out / "_toc.yml", "--path-output", out]
    command = [Path(sys.executable).with_name("jupyter-book"), "build", "-n", *options, ROOT]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace"
    )
    problems = None
    try:
        problems = [p for p in read(process.stdout) if not (number and lies_elsewhere(p))]
        if process.wait() and not problems and not number:
            problems = ["Sphinx stopped without a reason; the lines above are all it said."]
    finally:
        if problems != []:  # or the next build would not look again, or trust what was half written
            shutil.rmtree(out / "_build/.doctrees", ignore_errors=True)
    if problems:
        sys.exit("\n".join(["", "The book was not built:", *dict.fromkeys(problems)]))
    if not number:
        pack(out / "_build/html")
        made_of.write_text(now, "utf-8")
    print(f"Built: {out / '_build/html'}")


def digest(root):
    """A digest of every file of the project, the seed, and what is installed."""
    installed = sorted(path.name for path in Path(sysconfig.get_path("purelib")).glob("*.dist-info"))
    made_of = sha256(repr([platform.python_version(), os.environ.get("BOOK_SEED"), installed]).encode())
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in NOT_OURS and not name.startswith("."))
        for path in (Path(folder, name) for name in sorted(files)):
            made_of.update(f"{path.relative_to(root)} {path.stat().st_size} ".encode() + path.read_bytes())
    return made_of.hexdigest()


def pack(pages):
    """All pages in one file to download: what is in it opens from a disk, without a network."""
    archive = pages / f"{NAME}.zip"
    files = sorted(path for path in pages.rglob("*") if path.is_file() and path.stem != NAME)  # nor the printed book
    with ZipFile(archive, "w", ZIP_DEFLATED) as whole:
        for path in files:
            whole.write(path, Path(NAME, path.relative_to(pages)))


def read(lines):
    """Pass on what Sphinx says while it works; keep what is wrong."""
    problems, stopped = [], False
    for line in map(str.rstrip, lines):
        line = COLOUR.sub("", line)
        if stopped:
            if line.startswith(("Traceback", "The full traceback")) or not line:
                stopped = None
            elif stopped is True:
                problems.append(line.strip().replace(f"{ROOT}/", ""))
        elif STOPPED.match(line):
            stopped = True
        elif stopped is None or "IPKernelApp" in line:
            pass
        elif found := TOLD.match(line):
            problems.append(where(found["file"], int(found["line"] or 0)) + found["what"])
        elif line:
            print(line, flush=True)
    return problems


def where(file, line):
    """File, cell and line in words. MyST-NB counts the lines of a notebook from 10,000 times the number of the cell."""
    if not file:
        return ""
    path = Path(file)
    place = [path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else file]
    if path.suffix == ".ipynb" and line >= 10_000:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        place.append(f"cell {cells[line // 10_000 - 1]['id']}")
        line %= 10_000
    return ", ".join(place + [f"line {line}"] * bool(line)) + ": "


def lies_elsewhere(problem):
    """In a build of one chapter: a reference to a part of the book that is not built with it, but is there."""
    found = ELSEWHERE.search(problem)
    name = found and next(filter(None, found.groups())).strip()
    if not name:
        return False
    texts = (path.read_text("utf-8") for path in [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("book/*.md")])
    return (
        (ROOT / name).with_suffix(".ipynb").exists()
        or (ROOT / name).exists()
        or any(re.search(rf":label: {re.escape(name)}\b|\({re.escape(name)}\)", text) for text in texts)
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
