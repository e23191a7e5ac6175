"""What a result depends on, and when a notebook runs again.

A notebook runs again when its code changes, a helper that it imports (itself or through another), a sketch that it
shows, a file that its metadata name under `depends`, the seed, or a version in the environment. Notebooks run side by
side, on one thread each, while Sphinx reads what is there. The colophon names seed and versions.
"""

import hashlib
import json
import os
import platform
import re
from contextlib import suppress
from importlib.metadata import distributions
from multiprocessing import Pool, log_to_stderr
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor
from jupyter_cache.executors.basic import REPORT_LEVEL, ExecutionWorkerLocalMProc, ProcessData
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.reader import NotJSONError
from sphinx.errors import ExtensionError

from helpers.seed import seed

NAMED = [
    "torch",
    "numpy",
    "scipy",
    "matplotlib",
    "ipywidgets",
    "jupyter-book",
    "sphinx",
    "myst-nb",
    "sphinx-book-theme",
]
HELPERS = Path(__file__).parents[2] / "src" / "helpers"
SKETCHES = HELPERS.parents[1] / "book" / "sketches"
SKETCH = re.compile(r"\b(?:sketch|numbers)\(\s*[\"']([\w-]+)")
IMPORT = re.compile(r"^\s*(?:from helpers import (.+)|(?:from|import) helpers\.(\w+))", re.MULTILINE)
ERROR = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Iteration|Warning)\b", re.MULTILINE)
ANSI = re.compile(r"\x1b\[[0-9;]*m")
# Errors whose own words name neither the cell nor what to do.
STOPPED = {
    DeadKernelError: "the kernel died, of too little memory or of what the cell called: run it in `make lab`",
    CellTimeoutError: "the cell took too long: let it do less, or set execution.timeout in the notebook's metadata",
}


def record(app, config):
    versions = {d.name.lower(): d.version for d in distributions()}
    parts = [platform.python_version(), platform.machine(), sorted(versions.items()), seed()]
    config.provenance = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    # A cache that outlives its environment would show results of code that is gone: one cache for each environment.
    config.nb_execution_cache_path = str(Path(app.srcdir, "_build", ".jupyter_cache", config.provenance))

    config.versions = {"Python": platform.python_version()} | {name: versions[name] for name in NAMED}
    rows = "\n".join(f"| {name} | {version} |" for name, version in config.versions.items())
    config.myst_substitutions = {
        "versions": f"| built with | version |\n| --- | --- |\n{rows}",
        "seed": str(seed()),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def imported(code):
    """The files of the helpers that `code` imports, and of those that they import."""
    names, waiting = set(), [code]
    while waiting:
        for door, module in IMPORT.findall(waiting.pop()):
            for name in {"__init__", module or "__init__", *re.findall(r"\w+", door)} - names:
                if (file := HELPERS / f"{name}.py").exists():
                    names.add(name)
                    waiting.append(file.read_text("utf-8"))
    return [HELPERS / f"{name}.py" for name in sorted(names)]


def digest(path):
    """A digest of all that the notebook at `path` depends on beside its own code."""
    try:
        notebook = nbformat.read(path, as_version=4)
    except NotJSONError as error:
        wrong = error.__cause__  # which has the place
        within = "".join(f", cell {id}" for id in re.findall(r'"id": "([^"]*)"', wrong.doc[: wrong.pos])[-1:])
        what = f"not JSON, {wrong.msg}: mend it there, or take back the last version"
        raise ExtensionError(f"{path}{within}, line {wrong.lineno} of the file: {what}") from error
    for number, cell in enumerate(notebook.cells, 1):
        if missing := {"cell_type", "metadata", "source"} - set(cell):
            what = f"it has no {' and no '.join(sorted(missing))}: add that, or take back the last version"
            raise ExtensionError(f"{path}, cell {cell.get('id', number)}: {what}")
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    files = [*imported(code), *([HELPERS / "book.mplstyle"] if "helpers.book" in code else [])]
    files += [*sorted(HELPERS.glob("*.js")), *(SKETCHES / f"{name}.js" for name in sorted(set(SKETCH.findall(code))))]
    files = [file for file in files if file.exists()]  # of a sketch that is missing the notebook itself complains
    for pattern in notebook.metadata.get("depends", []):
        found = sorted(path.parent.glob(pattern)) if "*" in pattern else [path.parent / pattern]
        if not found or not all(file.is_file() for file in found):
            raise ExtensionError(f"{path}: depends on {pattern!r}, and there is no such file")
        files += found
    parts = [(file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in files]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def outdated(app, env, added, changed, removed):
    """Forget the results of notebooks that depend on what has changed; have Sphinx read these anew."""
    app.digests = {}
    forgotten, cache = [], get_cache(app.config.nb_execution_cache_path)
    known = read_digests(app)
    for doc in env.found_docs:
        path = Path(env.doc2path(doc))
        if path.suffix == ".ipynb":
            app.digests[doc] = digest(path)
            if known.get(doc) != app.digests[doc]:
                forgotten.append(doc)
                with suppress(KeyError):  # it has not run yet
                    cache.remove_cache(cache.match_cache_file(str(path)).pk)
    return forgotten


def run(app, env, docnames):
    """Start what has no results, side by side; Sphinx reads what has them meanwhile."""
    cache, stale = get_cache(app.config.nb_execution_cache_path), []
    for doc in sorted(docnames, reverse=True):  # the later chapters take longest: they run first
        path = env.doc2path(doc)
        if path.endswith(".ipynb"):
            try:
                cache.match_cache_file(path)
            except KeyError:
                cache.add_nb_to_project(path)
                stale.append(doc)
    docnames[:] = [doc for doc in docnames if doc not in stale] + stale
    app.running = {}
    if stale:
        log_to_stderr(REPORT_LEVEL)
        paths = [env.doc2path(doc) for doc in stale]
        records = load_executor("local-parallel", cache).get_records(paths, clear_tracebacks=True)
        pks = {record.uri: record.pk for record in records}
        # One more than there are cores, for some wait: chapter 8 for its browsers.
        pool = Pool(min(len(stale), os.cpu_count() + 1))
        for doc, path in zip(stale, paths, strict=True):
            data = ProcessData(pks[path], path, cache, app.config.nb_execution_timeout, False)
            app.running[doc] = pool.apply_async(Worker(), [data])
        pool.close()


class Worker(ExecutionWorkerLocalMProc):
    """Runs a notebook; its traceback begins with the cell that ran, which not every error names."""

    @staticmethod
    def execute(project_nb, data):
        folder, ran = str(Path(project_nb.uri).parent), ["?"]
        keep = lambda cell, cell_index: ran.append(cell.id)
        try:
            result = single_nb_execution(project_nb.nb, folder, data.timeout, data.allow_errors, on_cell_start=keep)
        except DeadKernelError as error:
            result = ExecutionResult(project_nb.nb, folder, 0, error)
        if result.err:
            result.exc_string = f"{ran[-1]}\n{STOPPED.get(type(result.err), result.exc_string)}"
        return result


def wait(app, doc, source):
    """Before Sphinx reads a notebook it must have run."""
    if doc in app.running and app.running[doc].get()[0]:
        cache = get_cache(app.config.nb_execution_cache_path)
        done = [result.get() for result in app.running.values()]
        failed = [path for kind, path in done if kind]
        raise ExtensionError("\n".join(why(path, cache.get_project_record(path).traceback) for path in failed))
    if doc in app.digests:
        write_digests(app, {doc: app.digests[doc]})


def why(path, traceback):
    """File, cell, line and message of the error that stopped a notebook: `traceback` is what `Worker` has kept."""
    if not traceback:
        return f"{path}: it could not be run; the lines above say why"
    ran, _, text = ANSI.sub("", traceback).rstrip().partition("\n")
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code" and c.source.strip()]
    frames = [(int(n), line) for n, line in re.findall(r"Cell In\[(\d+)\], line (\d+)", text)]
    starts = [found.start() for found in ERROR.finditer(text)]
    message = " ".join(text[starts[-1] if starts else text.rfind("\n") + 1 :].split())
    argument = re.match(r"\w+: (?:claim \S+: )?(\w+) (?:is|has|holds) ", message)  # which stands in a line of its own
    frames = [(cells[n - 1], int(line)) for n, line in frames if n <= len(cells)]
    if argument and frames:
        frames[-1] = frames[-1][0], line_of(argument[1], *frames[-1])
    places = [f"cell {cell.id}, line {line}" for cell, line in frames]
    places = places or [f"cell {ran}"]  # it took too long, or its kernel died
    called = f", called in {places[0]}" if len(set(places)) > 1 else ""
    if len(message) > 500:
        message = f"{message[:250]} … {message[-250:]}"
    return f"{path}, {places[-1]}{called}: {message}"


def line_of(argument, cell, line):
    """The line of an argument that has one of its own in the call that starts at `line`; else that one."""
    for number, text in enumerate(cell.source.splitlines()[line:], line + 1):
        if not text.startswith((" ", ")")):
            break
        if text.strip().startswith(f"{argument}="):
            return number
    return line


def read_digests(app):
    file = Path(app.config.nb_execution_cache_path, "depends.json")
    return json.loads(file.read_text("utf-8")) if file.exists() else {}


def write_digests(app, new):
    file = Path(app.config.nb_execution_cache_path, "depends.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(read_digests(app) | new, indent=1), "utf-8")


def setup(app):
    os.environ.setdefault("TQDM_DISABLE", "1")  # progress bars are for people, not for pages
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as many notebooks run at a time as there are cores
    app.add_config_value("provenance", "", "env")  # "env": a change reads, and so runs, every page anew
    app.connect("config-inited", record, priority=100)
    app.connect("env-get-outdated", outdated)
    app.connect("env-before-read-docs", run)
    app.connect("source-read", wait)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
