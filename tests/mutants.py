"""Change the mathematics of a chapter by one sign, operator, index or transposition: do the checks that follow see it?

    .venv/bin/python tests/mutants.py [--chapter 04] [--shard 1/4] [--jobs 2] [--seed N] [--most N | --all] [--least 95]

A mutant is one change in one statement of a chapter or of its helper. Each chapter runs in a process that forks a child
before every statement with mutants. The child runs the changed statement, then the later checks that its names reach,
and what these need, until one raises: the mutant is killed. Every statement starts from random numbers of its own, so
that leaving others out moves nothing. What a browser answers is recorded once and played back. Where the chapter lets a
mutant of a helper live, the helper's tests are tried. What cannot matter is left out by the rules in `leave_out`, or
listed with a reason in mutants.toml.
"""

import argparse
import ast
import asyncio
import contextlib
import copy
import dis
import importlib
import json
import math
import os
import pickle
import random
import re
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
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
TABLE = Path(__file__).with_suffix(".toml")
HELPERS = "streaming attention simplex interpolative lora ign skip translation".split()  # of chapters 1 to 8
SILENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
GRACE, MEMORY = 10, 6 << 30  # seconds of processor time beyond 5 × what the unchanged code takes; bytes

# ---- what is changed

PAIRS = "Add Sub, Mult Div, And Or, Eq NotEq, In NotIn, BitAnd BitOr, LShift RShift, FloorDiv Mod, Pow Mult"
OPERATORS = {getattr(ast, a): getattr(ast, b) for a, b in map(str.split, PAIRS.split(","))}
OPERATORS = {b: a for a, b in OPERATORS.items() if b is not ast.Mult} | OPERATORS
ORDER = {ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE)}
PAIRS = "min max, amin amax, argmin argmax, minimum maximum, sum mean, any all, floor ceil, sin cos, triu tril, ones zeros"
FUNCTIONS = dict(map(str.split, PAIRS.split(",")))
FUNCTIONS |= {b: a for a, b in FUNCTIONS.items()}
DROPPED = {"abs", "sqrt", "square", "exp", "log", "cumsum", "norm", "conj", "flip", "sort"}  # f(x) → x


def edits(node, parent):
    """What may stand in the place of a node."""
    match node:
        case ast.BinOp(left=a, op=op, right=b):
            if type(op) in OPERATORS:
                yield ast.BinOp(a, OPERATORS[type(op)](), b)
            if isinstance(op, (ast.Mult, ast.Div)):  # a factor dropped, the constant one if there is one
                yield b if isinstance(op, ast.Mult) and isinstance(a, ast.Constant) else a
            if isinstance(op, ast.MatMult):
                yield ast.BinOp(b, op, a)
        case ast.AugAssign(op=op) if type(op) in OPERATORS:
            yield ast.AugAssign(node.target, OPERATORS[type(op)](), node.value)
        case ast.BoolOp(op=op):
            yield ast.BoolOp(OPERATORS[type(op)](), node.values)
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert()):
            yield node.operand
        case ast.Compare(ops=ops):
            for i, op in enumerate(ops):
                for new in ORDER.get(type(op), [OPERATORS[type(op)]] if type(op) in OPERATORS else []):
                    yield ast.Compare(node.left, [*ops[:i], new(), *ops[i + 1 :]], node.comparators)
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)) if abs(value) <= 100:
            yield ast.Constant(value + 1)
        case ast.Attribute(attr="T" | "mT" | "H" | "mH", ctx=ast.Load()):
            yield node.value
        case ast.Attribute(attr=name) if name in FUNCTIONS and getattr(parent, "func", None) is node:
            yield ast.Attribute(node.value, FUNCTIONS[name], node.ctx)
        case ast.Name(id=name) if name in FUNCTIONS and getattr(parent, "func", None) is node:
            yield ast.Name(FUNCTIONS[name], node.ctx)
        case ast.Name(id=name, ctx=ast.Load()) if len(name) == 1 and isinstance(parent, (ast.Subscript, ast.Tuple)):
            if parent is getattr(node, "index", None):  # i, or one of i, j, in x[i, j]
                yield ast.BinOp(node, ast.Add(), ast.Constant(1))
        case ast.Slice(lower=low, upper=high):
            if low and not any(isinstance(x, ast.Constant) for x in ast.walk(low)):
                yield ast.Slice(ast.BinOp(low, ast.Add(), ast.Constant(1)), high, node.step)
            if high and not any(isinstance(x, ast.Constant) for x in ast.walk(high)):
                yield ast.Slice(low, ast.BinOp(high, ast.Add(), ast.Constant(1)), node.step)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="np" | "torch" | "math" | "sympy"), attr=name), args=[x, *_]):
            if name in DROPPED:
                yield x
        case ast.Call(func=ast.Attribute(value=x, attr=name)) | ast.Call(func=ast.Name(id=name), args=[x]):
            if name in DROPPED and not (isinstance(x, ast.Name) and x.id == "linalg"):
                yield x


# ---- what is left out by rule: each node in such a place carries the name of the rule

DRAWS = re.compile(r"\b(show|explore|fig|ax|axes|Markdown|HTML|tabulate)\b *[.(]|\bplt\.(?!style)")
RANDOM = re.compile(
    r"(rng|torch|np\.random)\.(normal|uniform|integers|choice|random|permutation|shuffle|gumbel|exponential"
    r"|standard_\w+|randn?|randint|randperm|randn?_like|randint_like|default_rng|manual_seed|Generator)"
)
SIZED = set("range arange linspace logspace geomspace zeros ones eye full empty identity tqdm repeat tile reshape view".split())
INERT = set("strict check_finite copy desc leave dtype device alt caption label display disable retain_graph".split())
CARRIED = ("tolerance", "broken variant", "text", "random data")  # rules that also hold for what only serves these
ARITHMETIC = (ast.BinOp, ast.Compare, ast.UnaryOp, ast.Subscript, ast.Slice, ast.Call, ast.keyword, ast.Return, ast.IfExp)
ARITHMETIC += (ast.Lambda, ast.AugAssign, ast.Assign, ast.BoolOp)


def leave(rule, *nodes):
    for node in (n for root in nodes if root for n in ast.walk(root)):
        node.__dict__.setdefault("rule", rule)


def leave_out(units):
    """Mark what cannot matter: `units` are all of one chapter."""
    drawn = {unit.cell for unit in units if "machinery" in unit.tags and DRAWS.search(ast.unparse(unit.node))}
    drawn |= {unit.cell for unit in units if "machinery" in unit.tags and isinstance(unit.node, IMPORTS)}
    random_names = {"seed"}
    for unit in units:
        if unit.cell in drawn:
            leave("figures and tables", unit.node)
        if isinstance(unit.node, ast.Assign) and isinstance(unit.node.value, ast.Lambda):
            if any(isinstance(n, ast.Call) and RANDOM.fullmatch(dotted(n.func)) for n in ast.walk(unit.node.value)):
                random_names |= set(names_in(unit.node.targets[0]))
    for unit in units:
        for parent in ast.walk(unit.node):
            for child in ast.iter_child_nodes(parent):
                child.parent = parent
        if isinstance(unit.node, (ast.Assign, ast.For)):
            value = unit.node.value if isinstance(unit.node, ast.Assign) else unit.node.iter
            leave("sizes and cases", *(x for x in parts(value) if not names_in(x)))
        for node in ast.walk(unit.node):
            _mark(node, random_names)
    scatter(units)


def _mark(node, random_names):
    match node:
        case ast.JoinedStr():
            leave("text", node)
        case ast.Raise() | ast.If(body=[ast.Raise()], orelse=[]):
            leave("refusals", node)
        case ast.arg() | ast.AnnAssign():
            leave("annotations", node.annotation)
        case ast.arguments():
            leave("sizes and cases", *(x for x in [*node.defaults, *node.kw_defaults] if x and not names_in(x)))
        case ast.FunctionDef():
            leave("annotations", node.returns, *node.decorator_list)
        case ast.Constant(value=int() | float()) if not isinstance(getattr(node, "parent", None), ARITHMETIC):
            if not isinstance(getattr(node.parent, "parent", None), ast.Subscript):
                leave("sizes and cases", node)
        case ast.keyword(arg=name) if name in INERT:
            leave("arguments that compute nothing", node)
        case ast.Call(func=func, args=args, keywords=keywords):
            name, given = dotted(func), [*args, *(k.value for k in keywords)]
            if name == "check.fails":
                leave("broken variant", node)
            elif name.startswith("check."):
                leave("text" if name == "check.holds" else "tolerance", *args[3 - (name != "check.close") :])
                leave("tolerance", *(k.value for k in keywords if k.arg in ("atol", "bound")))
                leave("text", *(k.value for k in keywords if k.arg == "seen"))
            elif RANDOM.fullmatch(name) or name in random_names or any(dotted(x) == "rng" for x in given):
                leave("random data", *given)
                while isinstance(up := node.parent, ast.BinOp) and (
                    isinstance(up.op, (ast.Mult, ast.Div)) or not names_in(up.left) or not names_in(up.right)
                ):
                    leave("random data", up)
                    node = up
            elif name == "medians" or name.startswith("time."):
                leave("timing", node)
            elif name.split(".")[-1] in SIZED:
                leave("sizes and cases", *(x for x in given if not names_in(x)))


def scatter(units):
    """A name that is read only where a rule of CARRIED holds: the rule holds for its definition too."""
    while True:
        read, found = {}, False
        for unit in units:
            for node in ast.walk(unit.node):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                    read.setdefault(node.id, Counter())[getattr(node, "rule", None)] += 1
        rule = {name: rules.most_common(1)[0][0] for name, rules in read.items() if rules.keys() <= set(CARRIED)}
        for unit in units:
            for node in ast.walk(unit.node):
                for names, value in definitions(node):
                    if names and not hasattr(value, "rule") and all(name in rule for name in names):
                        leave(rule[names[0]], value)
                        found = True
        if not found:
            return


def definitions(node):
    """(names, value) of an assignment, those of a tuple one by one; a function is its own value."""
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
            yield from (([*names_in(t)], v) for t, v in zip(targets, values, strict=False))
        case ast.Assign(targets=[target], value=value) | ast.AugAssign(target=target, value=value):
            yield [*names_in(target)], value
        case ast.FunctionDef(name=name):
            yield [name], node


def parts(value):
    return value.elts if isinstance(value, (ast.Tuple, ast.List)) and names_in(value) else [value]


def names_in(node):
    return [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]


def dotted(node):
    """check.close for the node of that expression, else nothing."""
    return ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""


# ---- which statements read what

IMPORTS = (ast.Import, ast.ImportFrom)


@dataclass
class Unit:
    """A statement of a cell at top level, or of a helper."""

    file: str
    cell: str
    tags: tuple
    node: ast.stmt

    def __post_init__(self):
        code = self.code()
        self.reads, self.inner, self.binds = set(), set(), set()
        for step in dis.get_instructions(code):
            kind = step.opname.partition("_")[0]
            if kind in ("LOAD", "STORE", "DELETE") and step.opname.endswith(("_NAME", "_GLOBAL")):
                (self.reads if kind == "LOAD" else self.binds).add(step.argval)
        for inner in (c for c in code.co_consts if isinstance(c, types.CodeType)):
            self.inner |= globals_of(inner)
        defines = isinstance(self.node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        self.reads |= set() if defines else self.inner
        self.renews = self.binds if defines or isinstance(self.node, (ast.Assign, *IMPORTS)) else set()
        self.asserts = not defines and any(isinstance(n, ast.Assert) for n in ast.walk(self.node))

    def code(self):
        module = ast.fix_missing_locations(ast.Module([self.node], []))
        return compile(module, f"<{self.cell}>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    def touches(self, imported):
        """Names whose objects may change in place: x[i] = …, x.a = …, x.append(…), fit(x)."""
        for node in ast.walk(self.node):
            if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store):
                yield root(node)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                if root(node.value) not in imported:
                    yield from (root(node.value), *(x.id for x in node.value.args if isinstance(x, ast.Name)))


def globals_of(code):
    found = {s.argval for s in dis.get_instructions(code) if s.opname.startswith("LOAD_") and "GLOBAL" in s.opname}
    return found.union(*(globals_of(c) for c in code.co_consts if isinstance(c, types.CodeType)))


def root(node):
    """x, for x.y[i](z).w."""
    while not isinstance(node, ast.Name):
        node = getattr(node, "value", None) or getattr(node, "func", None)
        if node is None:
            return ""
    return node.id


class Flow:
    """What each unit reads, with what the functions read that it may call, and what it binds or changes."""

    def __init__(self, units):
        imported = {"rng"}.union(*(u.binds for u in units if isinstance(u.node, IMPORTS)))
        late, self.units, self.reads, self.writes = {}, units, [], []
        for unit in units:
            self.reads.append(closure(unit.reads, late))
            self.writes.append(unit.binds | (set(unit.touches(imported)) - imported))
            for name in self.writes[-1]:
                old = set() if name in unit.renews else late.get(name, set())
                late[name] = old | unit.inner | set().union(*(late.get(n, set()) for n in unit.reads | unit.inner))
        self.checks = {i for i, u in enumerate(units) if "check" in self.reads[i] or u.asserts}

    def later(self, i, tainted=None):
        """The units after i to be run when names are tainted: the checks that these reach, and what the checks need."""
        tainted, reached = set(self.writes[i] if tainted is None else tainted), set()
        for j in range(i + 1, len(self.units)):
            if self.reads[j] & tainted:
                reached.add(j)
                tainted |= self.writes[j]
            else:
                tainted -= self.units[j].renews
        return self.needed(reached & self.checks, i + 1)

    def needed(self, wanted, first=0):
        needs, found = set(), []
        for j in reversed(range(first, len(self.units))):
            if j in wanted or self.writes[j] & needs:
                found.append(j)
                needs = (needs - self.units[j].renews) | self.reads[j] | self.units[j].inner
        return found[::-1]


def closure(names, late):
    names, todo = set(names), list(names)
    while todo:
        new = late.get(todo.pop(), set()) - names
        names |= new
        todo += new
    return names


# ---- mutants


@dataclass
class Mutant:
    unit: Unit
    line: int
    change: str  # before → after
    rule: str | None
    place: tuple  # (parent, field, position in a list or None)
    new: ast.AST | None
    at: int = 0  # the number of the unit that it replaces; for a helper, of the last import
    plan: tuple = ()  # the units to run after it
    fate: str = "alive"

    def apply(self, new=None):
        parent, field, k = self.place
        if k is None:
            setattr(parent, field, new or self.new)
        else:
            getattr(parent, field)[k] = new or self.new

    def __str__(self):
        return f"{self.unit.file} [{self.unit.cell}] line {self.line}: {self.change}"


def mutants_of(unit):
    box = ast.Module([unit.node], [])
    for parent in ast.walk(box):
        for field, value in ast.iter_fields(parent):
            for k, node in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(node, ast.AST):
                    node.place = (parent, field, k if isinstance(value, list) else None)
    for node in ast.walk(box):
        if isinstance(node, ast.Subscript):
            for index in getattr(node.slice, "elts", [node.slice]):
                index.index = index.place[0]
    for node in list(ast.walk(unit.node)):
        for new in edits(node, node.place[0]):
            line = getattr(node, "lineno", None) or getattr(node.place[0], "lineno", unit.node.lineno)
            mutant = Mutant(unit, line, "", getattr(node, "rule", None), node.place, new)
            shown = node
            while (up := shown.place[0]) is not box and not hasattr(up, "body") and len(ast.unparse(up)) <= 70:
                shown = up
            before = ast.unparse(shown)
            mutant.apply()
            mutant.change = f"`{before}` → `{ast.unparse(new if shown is node else shown)}`"
            mutant.apply(node)
            yield mutant


def read_notebook(path):
    units = []
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            tree, tags = ast.parse("".join(cell["source"])), tuple(cell["metadata"].get("tags", ()))
            units += [Unit(f"notebooks/{path.name}", cell["id"], tags, node) for node in tree.body]
    return units


def read_helper(path):
    name = lambda node: getattr(node, "name", path.stem)
    return [Unit(f"src/helpers/{path.name}", name(node), (), node) for node in ast.parse(path.read_text("utf-8")).body]


# ---- running


def fork(task, seconds=math.inf):
    """A child that runs `task`: its process id, and the pipe through which the answer comes."""
    out, into = os.pipe()
    if pid := os.fork():
        os.close(into)
        return pid, out
    try:
        if seconds < math.inf:
            signal.setitimer(signal.ITIMER_PROF, seconds)  # of the processor; then the child is gone
            signal.setitimer(signal.ITIMER_REAL, 20 * seconds)
        answer = pickle.dumps(task())
        with open(into, "wb") as pipe:
            pipe.write(answer)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def answer(pid, out):
    with open(out, "rb") as pipe:
        data = pipe.read()
    status = os.waitpid(pid, 0)[1]
    if data:
        return pickle.loads(data)
    return "killed by time" if os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGALRM) else None


class Missing(Exception):
    """A question that was not asked when the answers were recorded."""


class Taped:
    """Stands for something outside: records its answers, or plays them back."""

    def __init__(self, tape, key, real=None):
        self.tape, self.key, self.real = tape, key, real

    def __getattr__(self, name):
        return self._keep(f"{self.key}.{name}", lambda: getattr(self.real, name))

    def __call__(self, *args, **more):
        bare = lambda x: x.real if isinstance(x, Taped) else x
        key = f"{self.key}({args}{more or ''})"
        return self._keep(key, lambda: self.real(*map(bare, args), **more), count=True)

    def __repr__(self):
        return f"<{self.key}>"

    def _keep(self, key, get, count=False):
        if count:
            self.tape["asked"][key] += 1
            key += f"#{self.tape['asked'][key]}"
        if self.tape["live"]:
            value = get()
            plain = value is None or isinstance(value, (str, bytes, int, float, list, dict))
            self.tape["answers"][key] = (value,) if plain else None
            return value if plain else Taped(self.tape, key, value)
        if key not in self.tape["answers"]:
            raise Missing(key)
        plain = self.tape["answers"][key]
        return plain[0] if plain else Taped(self.tape, key)

    def __await__(self):
        value = (yield from self.real.__await__()) if self.tape["live"] else None
        return self._keep(f"{self.key}!", lambda: value)

    async def __aenter__(self):
        value = await self.real.__aenter__() if self.tape["live"] else None
        return self._keep(f"{self.key}:", lambda: value)

    async def __aexit__(self, *error):
        if self.tape["live"]:
            await self.real.__aexit__(*error)

    def __enter__(self):
        return self._keep(f"{self.key}:", lambda: self.real.__enter__())

    def __exit__(self, *error):
        if self.tape["live"]:
            self.real.__exit__(*error)


OUTSIDE = "playwright.async_api:async_playwright helpers.browser:serve asyncio:create_subprocess_exec tempfile:mkdtemp"


class Player:
    """Runs units in one namespace, without pictures."""

    def __init__(self, units, tape):
        self.units, self.names, self.tape, self.loop = units, {"__name__": "__main__"}, tape, asyncio.new_event_loop()
        warnings.simplefilter("ignore")
        helpers = importlib.import_module("helpers")
        helpers.show = helpers.explore = helpers.check.display = lambda *args, **more: None
        for module, name in (where.split(":") for where in OUTSIDE.split() if tape):
            module = importlib.import_module(module)
            setattr(module, name, Taped(tape, name, getattr(module, name)))

    def run(self, i, code=None):
        """Unit i, with random numbers of its own."""
        random.seed(i)
        if numpy := sys.modules.get("numpy"):
            for value in [*self.names.values()]:
                if isinstance(value, numpy.random.Generator):
                    value.bit_generator.state = numpy.random.default_rng([self.seed, i]).bit_generator.state
        if torch := sys.modules.get("torch"):
            torch.manual_seed(1000 * self.seed + i)
        result = eval(code or self.units[i].code(), self.names)
        if result is not None:  # a coroutine: the unit awaits something
            self.loop.run_until_complete(result)

    seed = int(os.environ.get("BOOK_SEED", "0"))

    def time_all(self, run):
        """Seconds for each unit that is run; and where it ends, if it fails."""
        times = dict.fromkeys(range(len(self.units)), 0.0)
        for i in run:
            start = time.process_time()
            try:
                self.run(i)
            except BaseException:
                return times, f"[{self.units[i].cell}] fails unchanged:\n{traceback.format_exc(limit=-2)}", None
            times[i] = time.process_time() - start
        return times, None, self.tape and self.tape["answers"]

    def judge(self, mutant, helper):
        """The fate of a mutant, in a child."""
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1), os.dup2(quiet, 2)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        self.loop = asyncio.new_event_loop()
        if mutant.new:
            mutant.apply()
        try:
            if helper and mutant.unit in helper:
                module = sys.modules[f"helpers.{mutant.unit.file.split('/')[-1][:-3]}"]
                exec(compile(whole(helper), module.__file__, "exec"), module.__dict__)
                for unit in self.units:
                    if isinstance(unit.node, IMPORTS) and "helpers" in ast.unparse(unit.node):
                        exec(unit.code(), self.names)
            else:
                self.run(mutant.at, mutant.unit.code())
            for j in mutant.plan:
                self.run(j)
        except Missing:
            return "the browser was asked something else"
        except AssertionError as error:
            return "killed by a check" if str(error).startswith("claim ") else "killed by an error"
        except BaseException:
            return "killed by an error"
        return "killed by its tests" if helper and mutant.unit in helper and tests_fail(helper) else "alive"


def whole(units):
    return ast.fix_missing_locations(ast.Module([u.node for u in units], []))


def tests_fail(helper):
    """Whether the tests of a helper see its mutant, which is imported from a copy of the package."""
    signal.setitimer(signal.ITIMER_PROF, 0), signal.setitimer(signal.ITIMER_REAL, 0)
    file = Path(helper[0].file)
    test = ROOT / "tests" / f"test_{file.name}"
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "src", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.egg-info"))
        (Path(folder) / file.relative_to("src")).write_text(ast.unparse(whole(helper)), "utf-8")
        places = {"PYTHONPATH": folder, "HYPOTHESIS_STORAGE_DIRECTORY": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        how = [sys.executable, "-m", "pytest", "-xq", "-o", "addopts=", "-p", "no:cacheprovider", test]
        try:
            return test.exists() and subprocess.run(how, cwd=folder, env=os.environ | places, timeout=600).returncode != 0
        except subprocess.TimeoutExpired:
            return True


def play(path, options, listed):
    """All mutants of a chapter, in a process of its own: (mutants, seconds)."""
    start, number = time.time(), int(path.name[:2])
    units, helper = read_notebook(path), ROOT / "src" / "helpers" / f"{HELPERS[number - 1]}.py"
    helper = read_helper(helper) if helper.exists() else []
    flow, inside = Flow(units), Flow(helper) if helper else None
    needed = flow.needed(flow.checks)
    leave_out(units)
    for unit in helper:
        leave_out([unit])
    mutants = []
    for i, unit in enumerate(units):
        for m in mutants_of(unit):
            m.at, m.plan = i, flow.later(i)
            m.rule = m.rule or ("figures and tables" if i not in needed and "machinery" in unit.tags else None)
            mutants.append(m)
    last = max((i for i, u in enumerate(units) if u.cell == units[0].cell and isinstance(u.node, IMPORTS)), default=0)
    for i, unit in enumerate(helper):
        tainted = set(inside.writes[i])
        while new := {n for j, w in enumerate(inside.writes) if (inside.reads[j] | helper[j].inner) & tainted for n in w} - tainted:
            tainted |= new
        aliases = {a.asname or a.name for u in units if isinstance(u.node, ast.ImportFrom)
                   for a in u.node.names if u.node.module == "helpers" and a.name == HELPERS[number - 1]
                   or u.node.module == f"helpers.{HELPERS[number - 1]}" and a.name in tainted}
        for m in mutants_of(unit):
            m.at, m.plan = last, flow.later(last, aliases)
            mutants.append(m)
    return mutants
