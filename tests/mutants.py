"""Change the mathematics of a chapter, one sign, operator, index or transposition at a time: do its checks see it?

    .venv/bin/python tests/mutants.py [--chapter 04] [--most 100 | --all | --control] [--own] [--shard 1/4] [--least 95]

A mutant is one change in one statement of a chapter or of its helper (mutations.py). A chapter runs in one process,
statement by statement, and forks a child for each mutant. The child runs the changed statement and then the later
checks that its names reach, with what these need, until something raises: the mutant is killed. Each statement has
random numbers of its own, so that leaving others out moves nothing. What a browser answers is recorded and played back.
A mutant of a helper that the chapter lets live is put to the helper's tests. What cannot matter is left out by rule, or
listed in mutants.toml: [[equivalent]] with chapter, cell, change (as the report has it) and reason.

The report counts the cells of checks by themselves: a change there makes another case of a check as often as a wrong
one, or a weaker check, which it cannot see itself.
"""

import argparse
import ast
import asyncio
import contextlib
import importlib
import json
import os
import pickle
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
import types
from collections import Counter
from pathlib import Path

from mutations import IMPORTS, Flow, Mutant, Unit, leave, leave_out, mutants_of
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
HELPERS = ["streaming", "attention", "simplex", "interpolative", "lora", "ign", "skip", "translation"]  # by chapter
GRACE, QUICK = 3, 0.3  # seconds: beyond 5 × those of a statement unchanged; of one that the first try leaves out
MEMORY = 6 << 30  # bytes
# One thread, and no window for pictures.
ALONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1") | {"MPLBACKEND": "Agg"}


def without_pictures(display):
    """Let nothing be drawn, and each line of a check go to `display`."""
    helpers = importlib.import_module("helpers")
    helpers.show = helpers.explore = helpers.sketch = helpers.predict = lambda *args, **more: None
    helpers.check.display = display


def read(file):
    name, text = str(file.relative_to(ROOT)), file.read_text("utf-8")
    if file.suffix == ".py":
        return [Unit(name, getattr(node, "name", "module"), (), node) for node in ast.parse(text).body]
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    parts = [(cell, node) for cell in cells for node in ast.parse("".join(cell["source"])).body]
    return [Unit(name, cell["id"], cell["metadata"].get("tags", ()), node) for cell, node in parts]


class Chapter:
    """The statements of a chapter and of its helper, their mutants, and the names of the chapter as it runs."""

    def __init__(self, notebook, control=False):
        self.name, self.module = notebook.name[:2], HELPERS[int(notebook.name[:2]) - 1]
        helper = ROOT / "src" / "helpers" / f"{self.module}.py"
        self.units, self.helper = read(notebook), read(helper) if helper.exists() else []
        self.mutants, self.left, self.control = [], Counter(), control
        leave_out(self.units)
        leave_out(self.helper)
        self.flow = flow = Flow(self.units)
        self.needed = flow.needed(flow.checks)
        for i, unit in enumerate(self.units):
            if "machinery" in unit.tags and i not in self.needed:
                leave("figures and tables", unit.node)
            plan = flow.later(i, flow.writes[i])
            self._add(unit, i, plan if plan or i in flow.checks else None)
        inside, last = Flow(self.helper), max(i for i in self.needed if self.units[i].cell == self.units[0].cell)
        for i, unit in enumerate(self.helper):
            changed, size = inside.writes[i] | {self.module}, 0
            while size < (size := len(changed)):  # what uses it inside the helper
                changed.update(*(inside.writes[j] for j, u in enumerate(self.helper) if (u.reads | u.inner) & changed))
            names = {a.asname or a.name for u in self.units for a in self._imported(u) if a.name in changed}
            self._add(unit, last, flow.later(last, names))

    def _imported(self, unit):
        helpers = ("helpers", f"helpers.{self.module}")
        return unit.node.names if isinstance(unit.node, ast.ImportFrom) and unit.node.module in helpers else []

    def _add(self, unit, at, plan):
        mutants = mutants_of(unit)
        rules = [getattr(mutant.old, "rule", None) for mutant in mutants]
        self.left.update(filter(None, rules))
        mutants = [mutant for mutant, rule in zip(mutants, rules, strict=True) if not rule]
        if self.control:
            again = any((m.at, m.plan) == (at, plan) for m in self.mutants)
            mutants = [Mutant(unit, unit.node, unit.node)] if mutants and not again else []
        for mutant in mutants:
            mutant.at, mutant.plan = at, plan
            self.mutants.append(mutant)

    def open(self, tape, live):
        """Begin, without pictures and times."""
        self.tape, self.live, self.loop = tape, live, asyncio.new_event_loop()
        self.names, self.seed = {"__name__": "__main__"}, int(os.environ["BOOK_SEED"])
        without_pictures(lambda line: None)
        importlib.import_module("helpers.timing").medians = lambda *runs, rounds: [1.0] * len(runs)

    def stand_in(self, names):
        """Put Taped objects in the place of what lies outside."""
        for module, name in ((sys.modules.get(module), name) for module, name in OUTSIDE):
            real = getattr(module, name, None)
            taped = Taped(self.tape, name, real if self.live else None)
            for key, value in names.items():
                if value is real:
                    names[key] = taped
                elif value is module:
                    names[key] = types.SimpleNamespace(**vars(module) | {name: taped})

    def run(self, i, limit=False):
        """Statement i, with random numbers of its own; within a limit, beyond which the process ends."""
        if limit:
            signal.setitimer(signal.ITIMER_PROF, GRACE + 5 * self.times[i])  # of processor time
            signal.setitimer(signal.ITIMER_REAL, 30 * (GRACE + self.times[i]))
        random.seed(i)
        if numpy := sys.modules.get("numpy"):
            for value in self.names.values():
                if isinstance(value, numpy.random.Generator):
                    value.bit_generator.state = numpy.random.default_rng([self.seed, i]).bit_generator.state
        if torch := sys.modules.get("torch"):
            torch.manual_seed(1000 * self.seed + i)
        awaited = eval(self.units[i].code(), self.names)
        if awaited is not None:
            self.loop.run_until_complete(awaited)
        if self.tape and isinstance(self.units[i].node, IMPORTS):
            helper = sys.modules.get(f"helpers.{self.module}")
            for names in (self.names, vars(helper) if helper else {}):
                self.stand_in(names)

    def rehearse(self, tape):
        """The seconds that each statement takes, what was recorded, and where it failed, if it did."""
        self.open(tape, live=True)
        times = [0.0] * len(self.units)
        for i in range(len(self.units)) if tape else self.needed:
            start = time.process_time()
            try:
                self.run(i)
            except BaseException:
                return times, tape, f"[{self.units[i].cell}], unchanged:\n{traceback.format_exc(limit=-3)}"
            times[i] = time.process_time() - start
        return times, tape, None

    def play(self, mutants, jobs, terminal):
        """The fates of these mutants; or the text of what fails unchanged."""
        awaits = any(isinstance(node, ast.Await) for unit in self.units for node in ast.walk(unit.node))
        tape = {"answers": {}, "asked": Counter()} if awaits else None
        tests = fork(lambda: self.tests_fail(300))
        self.times, tape, failed = collect(*fork(lambda: self.rehearse(tape)))
        tests_failed, self.tests_take = collect(*tests)
        if failed or tests_failed:
            return failed or f"tests/test_{self.module}.py, unchanged"
        self.open(tape and tape | {"asked": Counter()}, live=False)
        heavy, running = {i for i, seconds in enumerate(self.times) if seconds > QUICK}, {}

        def wait(most):
            while len(running) > most:
                for pipe in select.select(list(running), [], [])[0]:
                    pid, mutant = running.pop(pipe)
                    mutant.fate = collect(pid, pipe) or "killed by an error"
                    bar.update()

        with tqdm(total=len(mutants), desc=f"chapter {self.name}", file=terminal, mininterval=1) as bar:
            for i in range(max((m.at for m in mutants), default=-1) + 1):
                for mutant in (m for m in mutants if m.at == i):
                    if mutant.plan is None:
                        bar.update()
                        continue
                    checks = self.flow.checks.intersection(mutant.plan)
                    light = {j for j in checks if heavy.isdisjoint(self.flow.needed({j}, i + 1))}
                    plans = [self.flow.needed(light, i + 1)] * (0 < len(light) < len(checks)) + [mutant.plan]
                    wait(jobs - 1)
                    pid, pipe = fork(lambda m=mutant, p=plans: self.judge(m, p))
                    running[pipe] = pid, mutant
                if i in self.needed:
                    self.run(i)
            wait(0)
        return [m.fate for m in mutants]

    def judge(self, mutant, plans):
        """The fate of a mutant, in a child of its own; first, in another one, by the checks that take no time."""
        if plans[1:]:
            fate = collect(*fork(lambda: self.judge(mutant, plans[:1])))
            if fate != "alive":
                return fate
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        self.loop = asyncio.new_event_loop()
        mutant.apply(mutant.new)
        try:
            self.run(mutant.at, limit=True)
            if mutant.unit in self.helper:
                module = importlib.import_module(f"helpers.{self.module}")
                exec(compile(self.changed_helper(), module.__file__, "exec"), module.__dict__)
                for i in (i for i, unit in enumerate(self.units) if self._imported(unit)):
                    self.run(i)
            for i in plans[-1]:
                self.run(i, limit=True)
        except Unasked:
            return "undecided: the browser is asked something else"
        except AssertionError as error:
            return "killed by a check" if str(error).startswith("claim ") else "killed by an error"
        except BaseException:
            return "killed by an error"
        if mutant.unit in self.helper and plans[-1] is mutant.plan and not self.control:
            return "killed by its tests" if self.tests_fail(GRACE + int(5 * self.tests_take))[0] else "alive"
        return "alive"

    def changed_helper(self):
        return ast.unparse(ast.Module([unit.box.body[0] for unit in self.helper], []))

    def tests_fail(self, seconds):
        """Whether the tests of the helper fail, with the changed one in a copy of the package; and what they take."""
        test = ROOT / "tests" / f"test_{self.module}.py"
        if not (self.helper and test.exists()):
            return False, 0
        signal.setitimer(signal.ITIMER_PROF, 0), signal.setitimer(signal.ITIMER_REAL, 0)
        folder, before = Path(tempfile.gettempdir(), f"helper-{os.getpid()}"), processor()
        shutil.copytree(ROOT / "src" / "helpers", folder / "helpers")
        (folder / "helpers" / f"{self.module}.py").write_text(self.changed_helper(), "utf-8")
        places = {"PYTHONPATH": str(folder), "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis")}
        places |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        places |= {"PYTEST_ADDOPTS": "-xq -o addopts= --noconftest -p no:cacheprovider"}
        limit = lambda: resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        how = [sys.executable, "-m", "pytest", str(test)]
        failed = subprocess.run(how, env=os.environ | places, preexec_fn=limit).returncode != 0
        shutil.rmtree(folder)
        return failed, processor() - before


# ---- processes


def fork(task):
    """A child that runs `task`: its id, and a pipe that brings the answer."""
    out, into = os.pipe()
    if pid := os.fork():
        os.close(into)
        return pid, out
    try:
        with open(into, "wb") as pipe:
            pipe.write(pickle.dumps(task()))
    finally:
        os._exit(0)


def collect(pid, out):
    with open(out, "rb") as pipe:
        data = pipe.read()
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        late = os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGALRM)
        return "killed by time" if late else "killed by an error"
    return pickle.loads(data) if data else None


def alone(task):
    """The answer of `task`, which runs in a copy of the notebooks' folder, with nothing left running after it."""
    with tempfile.TemporaryDirectory() as folder:

        def inside():
            os.setpgid(0, 0)
            os.environ["TMPDIR"] = tempfile.tempdir = folder
            os.chdir(shutil.copytree(ROOT / "notebooks", Path(folder, "notebooks")))
            terminal, nowhere = os.fdopen(os.dup(2), "w"), os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1), os.dup2(nowhere, 2)
            try:
                return task(terminal)
            except BaseException:
                return traceback.format_exc()

        pid, pipe = fork(inside)
        try:
            return collect(pid, pipe)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


# ---- what lies outside, a browser above all

OUTSIDE = [("playwright.async_api", "async_playwright"), ("helpers.browser", "serve")]
OUTSIDE += [("asyncio", "create_subprocess_exec"), ("tempfile", "mkdtemp")]


class Unasked(Exception):
    """There is no recorded answer."""


class Taped:
    """Stands for something real, or for what that gave, and records the answers; without it, plays them back."""

    def __init__(self, tape, key, real=None):
        self.tape, self.key, self.real = tape, key, real

    def __repr__(self):
        return f"<{self.key}>"

    def __getattr__(self, name):
        return Taped(self.tape, f"{self.key}.{name}", self.real and getattr(self.real, name))

    def __call__(self, *args, **more):
        key = f"{self.key}({args}{more or ''})"
        self.tape["asked"][key] += 1
        plain = [x.real if isinstance(x, Taped) else x for x in args]
        return self._answer(f"{key}#{self.tape['asked'][key]}", lambda: self.real(*plain, **more))

    def _answer(self, key, give):
        real, answers = self.real and give(), self.tape["answers"]
        if self.real:
            plain = real is None or isinstance(real, (str, bytes, int, float, list, dict))
            answers[key] = (real,) if plain else ()
        if key not in answers:
            raise Unasked(key)
        return answers[key][0] if answers[key] else Taped(self.tape, key, real)

    def __await__(self):
        real = (yield from self.real.__await__()) if self.real else None
        return self._answer(f"{self.key}!", lambda: real)

    async def __aenter__(self):
        return await Taped(self.tape, f"{self.key}:", self.real and self.real.__aenter__())

    async def __aexit__(self, *error):
        return self.real and await self.real.__aexit__(*error)

    def __enter__(self):
        return self._answer(f"{self.key}:", lambda: self.real.__enter__())

    def __exit__(self, *error):
        return self.real and self.real.__exit__(*error)


# ---- the program


def examine(notebook, options, table):
    """Play the mutants of one chapter and report: (killed, alive)."""
    start, before, chapter = time.time(), processor(), Chapter(notebook, options.control)
    mutants = [m for m in chapter.mutants if not (options.own and of_checks(m))]
    if not (options.all or options.control):
        mutants = random.Random(options.seed).sample(mutants, min(options.most, len(mutants)))
    part, parts = map(int, options.shard.split("/"))
    mutants = sorted(mutants[part - 1 :: parts], key=lambda m: m.at)
    fates = alone(lambda terminal: chapter.play(mutants, options.jobs, terminal))
    print(f"\n## Chapter {chapter.name}\n")
    if not isinstance(fates, list):
        print(f"The chapter fails at {fates}")
        return 0, 0
    for mutant, fate in zip(mutants, fates, strict=True):
        mutant.fate = fate
    if options.control:
        dead = [m for m in mutants if m.fate != "alive"]
        print(f"Control: {len(mutants) - len(dead)} of {len(mutants)} statements live unchanged.\n")
        print("".join(f"- {m.unit.file} [{m.unit.cell}] line {m.unit.node.lineno}: {m.fate}\n" for m in dead))
        return len(mutants) - len(dead), len(dead)
    listed = {(e["cell"], e["change"]): [] for e in table if e["chapter"] == chapter.name}
    for mutant in chapter.mutants:
        listed.get((mutant.unit.cell, mutant.change), []).append(mutant)
    equal = {m for found in listed.values() for m in found}
    alive = [m for m in mutants if m.fate == "alive" and m not in equal]
    dead, count = [m for m in mutants if m.fate.startswith("killed")], Counter(m.fate for m in mutants)
    equal_alive = [m for m in mutants if m.fate == "alive" and m in equal]
    took = f"{time.time() - start:.0f} s, {processor() - before:.0f} s of processor time"
    print(f"{len(dead)} of {len(dead) + len(alive)} killed: {share(len(dead), len(alive))} ({took}).")
    for what, inside in (("the chapter's own code and its helper", False), ("its checks", True)):
        died, lived = (sum(of_checks(m) == inside for m in some) for some in (dead, alive))
        print(f"In {what}: {died} of {died + lived}.")
    print(f"Tried: {len(mutants)} of {len(chapter.mutants)}; {tell(count)}.")
    print(f"Left out by rule: {tell(chapter.left)}. Alive but listed: {len(equal_alive)}.\n")
    for mutant in alive:
        print(f"- {mutant}" + " (no check reads it)" * (mutant.plan is None))
    for (cell, change), found in listed.items():
        if not found or any(m.fate.startswith("killed") for m in found):
            print(f"- mutants.toml: [{cell}] `{change}` {'is killed' if found else 'matches nothing any more'}")
    return len(dead), len(alive)


def of_checks(mutant):
    return "check" in mutant.unit.tags


def processor():
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def share(killed, alive):
    return f"{100 * killed / max(1, killed + alive):.1f} %"


def tell(count):
    return ", ".join(f"{n} {what}" for what, n in count.most_common())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--chapter", default="", help="its number, as in 04; all of them unless given")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    parser.add_argument("--most", type=int, default=100, help="a random sample of so many mutants a chapter")
    parser.add_argument("--all", action="store_true", help="no sample")
    parser.add_argument("--own", action="store_true", help="leave out the cells of checks")
    parser.add_argument("--control", action="store_true", help="every statement once, unchanged: all must live")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--shard", default="1/1", help="1/4: every fourth mutant, from the first")
    parser.add_argument("--least", type=float, default=0, help="fail where a smaller percentage is killed")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    os.environ.update(ALONE | {"BOOK_SEED": os.environ.get("BOOK_SEED", "0")})
    sys.path.insert(0, str(ROOT / "src"))
    tqdm.monitor_interval = 0  # no thread beside the forks
    table = Path(__file__).with_suffix(".toml")
    table = tomllib.loads(table.read_text("utf-8"))["equivalent"] if table.exists() else []
    notebooks = sorted(ROOT.glob(f"notebooks/{options.chapter}*.ipynb"))
    results = [examine(notebook, options, table) for notebook in notebooks]
    killed, alive = (sum(x) for x in zip(*results, strict=True))
    if not options.control:
        print(f"\nAll: {killed} of {killed + alive} killed, {share(killed, alive)}.")
    if 100 * killed < options.least * (killed + alive) or not all(map(sum, results)):
        sys.exit(1)


if __name__ == "__main__":
    main()
