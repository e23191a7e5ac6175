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

import yaml
from pybtex.database import parse_file
from pybtex.exceptions import PybtexError
from sphinx_external_toc.parsing import MalformedError, parse_toc_yaml

ROOT = Path(__file__).parents[1]
NAME = "derive-then-check"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
PLACE = r"(?P<file>/.*?\.\w+|<unknown>)(?::(?P<line>\d*))?: "  # the line may be empty
TOLD = re.compile(rf"^(?:{PLACE})?(?:WARNING|ERROR|SEVERE|CRITICAL): (?P<what>.*?)(?: \[\w+\.\w+\])?$")
STOPPED = re.compile(r"^(Extension error|Theme error|Configuration error|Sphinx error|Exception occurred)")
MISSING = (
    "[Uu]nknown (?:source )?document:?",
    "undefined label:",
    "equation not found:",
    "prf:ref reference target not found:",
    "label(?= '.*' not found)",
)
ELSEWHERE = re.compile(rf"(?:{'|'.join(MISSING)}) '?([^'\s\[]+)")
# Said with a wrong place, or with none, of what is told with its place too: it counts where nothing else is told.
AGAIN = re.compile(
    r"\.rst: WARNING: |: (Duplicate explicit target name: \"fig-|duplicate label fig-|Duplicate ID: |the cell checks, )"
)
ADVICE = [
    ("could not find bibtex key", "add it to book/references.bib, or correct it"),
    ("undefined label|equation not found|target not found", "correct the name, or give the label to what is meant"),
    ("duplicate label of equation", "give it another name"),
    ("cannot be set", "correct the TeX"),
    ("Unknown (option|directive|interpreted text role)", "correct the name"),
]
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
    if problems := list(unreadable()):
        sys.exit("\n".join(["", "The book was not built:", *problems]))
    command = [Path(sys.executable).with_name("jupyter-book"), "build", "-n", *options, ROOT]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace"
    )
    problems = None
    try:
        kept = [[p for p in told if not (number and lies_elsewhere(p, number))] for told in read(process.stdout)]
        problems = kept[0] or kept[1]
        if process.wait() and not problems:
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
    """Pass on what Sphinx says while it works; keep what is wrong, and apart what is told with its place besides."""
    problems, again, stopped = [], [], False
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
            advice = "".join(f": {what}" for pattern, what in ADVICE if re.search(pattern, found["what"]))
            told = again if AGAIN.search(line) else problems
            told.append(where(found["file"], int(found["line"] or 0)) + found["what"] + advice)
        elif line:
            print(line, flush=True)
    return problems, again


def where(file, line):
    """File, cell and line in words. The first line of cell 3 of a notebook is 30,002 to MyST-NB."""
    if not file:
        return ""
    path = Path(file)
    place = [path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else file]
    if path.suffix == ".ipynb" and line >= 10_000:
        cells = json.loads(path.read_text("utf-8"))["cells"]
        place.append(f"cell {cells[line // 10_000 - 1]['id']}")
        line = line % 10_000 - 1
    return ", ".join(place + [f"line {line}"] * bool(line)) + ": "


def unreadable():
    """Files that Sphinx, or a build of one chapter, would pass over or blame without their names."""
    files = {
        "_config.yml": lambda path: yaml.safe_load(path.open("rb")),
        "_toc.yml": parse_toc_yaml,
        "book/references.bib": parse_file,
    }
    for file, parse in files.items():
        try:
            parse(ROOT / file)
        except (yaml.YAMLError, MalformedError, PybtexError) as error:
            yield f"{file} cannot be read: {' '.join(str(error).split())}".replace(f"{ROOT}/", "")


def lies_elsewhere(problem, number="none"):
    """In a build of one chapter: a reference to a part of the book that is not built with it, but is there."""
    found = ELSEWHERE.search(problem)
    if not found:
        return False
    name = found[1].rstrip(":")
    if any((ROOT / f"{name}{suffix}").is_file() for suffix in ("", ".ipynb", ".md")):
        return True
    label = r"\$\$ \({}\)" if "equation" in found[0] else r':label: {}(?![\w-])|label=\\"{}\\"|\({}\)='
    label = re.compile(label.replace("{}", re.escape(name)))
    others = [path for path in ROOT.glob("notebooks/*.ipynb") if not path.name.startswith(f"{number}_")]
    return any(label.search(path.read_text("utf-8")) for path in [*others, *ROOT.glob("book/*.md")])


if __name__ == "__main__":
    main(*sys.argv[1:])
