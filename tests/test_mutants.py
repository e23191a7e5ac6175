"""The mutation tester: what it changes, what it leaves out, what it runs, and a small chapter played to the end."""

import ast
import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mutants import Taped, Unasked
from mutations import Flow, Unit, leave_out, mutants_of

HERE = Path(__file__).parent


def units(*cells, tags=()):
    return [Unit("n.ipynb", f"c{k}", tags, node) for k, cell in enumerate(cells) for node in ast.parse(cell).body]


def changes(*cells, tags=()):
    """{the rule, or None: what is changed}."""
    found, chapter = {}, units(*cells, tags=tags)
    leave_out(chapter)
    for mutant in (m for unit in chapter for m in mutants_of(unit)):
        found.setdefault(getattr(mutant.old, "rule", None), []).append(mutant.change.split(" → ")[1])
    return found


@pytest.mark.parametrize(
    "before, after",
    [
        ("y = a + b", ["y = a - b"]),
        ("y = 2 * a", ["y = 2 / a", "y = a", "y = 3 * a"]),
        ("y = a / b", ["y = a * b", "y = a"]),
        ("y = a * [1, -1.0]", ["y = a", "y = a * [1, 1.0]", "y = a * [1, -2.0]", "y = a * [2, -1.0]"]),
        ("y = a @ b", ["y = b @ a"]),
        ("y = a ** 2", ["y = a * 2", "y = a ** 3"]),
        ("y = -a", ["y = a"]),
        ("y = a < b", ["y = a <= b", "y = a > b"]),
        ("y = a == b", ["y = a != b"]),
        ("y = a and (not b)", ["y = a or not b", "y = a and b"]),
        ("y -= a", ["y += a"]),
        ("y = M.T", ["y = M"]),
        ("y = M[i, 0]", ["y = M[i + 1, 0]", "y = M[i, 1]"]),
        ("y = M[:r]", ["y = M[:r + 1]"]),
        ("y = np.max(a)", ["y = np.min(a)"]),
        ("y = a.sum(0)", ["y = a.mean(0)", "y = a.sum(1)"]),
        ("y = np.sqrt(a)", ["y = a"]),
        ("y = a.abs()", ["y = a"]),
        ("y = qr(a, pivoting=True)", ["y = qr(a, pivoting=False)"]),
    ],
)
def test_one_node_is_changed(before, after):
    assert sorted(changes(before)[None]) == sorted(after)
    unit = units(before)[0]
    for mutant in mutants_of(unit):
        mutant.apply(mutant.new)
        assert ast.unparse(unit.box) == mutant.change.split(" → ")[1]
        mutant.apply(mutant.old)
        assert ast.unparse(unit.box) == mutant.change.split(" → ")[0]


@pytest.mark.parametrize(
    "rule, source",
    [
        ("sizes and cases", "n, m = 30, 2**4\nx = np.arange(1, 9)\nfor b in (1, 2):\n    f(b)"),
        ("sizes and cases", "with mpmath.workdps(40):  # one digit more\n    f(x)"),
        (
            "random data",
            "x = 2 * rng.normal(size=(n + 1, 3)) / d**0.5 + 1\nq = torch.randn(5)\ny = q[-1]\nz = f(a, seed=1)",
        ),
        ("tolerance", "check.close('a', x, y, atol=9 * eps)\ncheck.below('a', x, 2 * r)\nmargin = 3 * s\nf(margin)"),
        ("tolerance", "tol = scale(4) * x\ncheck.close('a', x, y, atol=tol)\ntol = f(x)\nf(tol)"),
        ("tolerance", "slack = 2 * x\noff = a / slack\ncheck.close('a', off, y, atol=1)"),
        ("tolerance", "def size(x):\n    return 8 * x\ncheck.close('a', x, y, atol=size(x))"),
        ("broken variant", "bare = x - y\ncheck.fails('a', bare + 1, y, atol=1, broken='no z')"),
        ("text", "n = 2 * k\ncheck.holds('a', same, f'{n + 1} of them')"),
        ("refusals", "if n < 1:\n    raise ValueError(n + 1)"),
        ("timing", "for n in sizes:\n    times = medians(f, g, rounds=3)\n    ratios.append(times[0] / times[1])"),
        ("arguments that compute nothing", "y = zip(a, b, strict=True)"),
        ("arguments that compute nothing", "y = trange(n, mininterval=5)"),
    ],
)
def test_what_cannot_matter_is_left_out(rule, source):
    found = changes(source)
    assert found.keys() == {rule}


def test_what_a_rule_does_not_cover_is_changed():
    assert changes("z = 2 * x\ncheck.below('a', z - y, 3)\ncheck.close('a', z, y, atol=z)")[None]
    assert changes("n = 2 * x\ncheck.close('a', n, y, atol=n)").keys() == {None}  # not only a tolerance
    gram = changes("y = norm(D.T @ D, axis=0)\nz = norm(D.T @ E, axis=0)")
    assert gram["sides of a symmetric matrix"] == ["y = norm(D.T @ D, axis=1)"] and len(gram[None]) == 5
    assert changes("fig, ax = plt.subplots(1, 2)\nax.plot(x + 1)", tags=("machinery",)).keys() == {"figures and tables"}
    assert changes("def loss(x):\n    return x + 1", tags=("machinery",)).keys() == {None}
    assert changes("got = x + 1\ncheck.fails('a', got, y, atol=1, broken='z')", tags=("broken",)).keys() == {
        "broken variant"
    }


def test_sums_whose_weight_is_nothing_are_left_out():
    found = changes(
        "a = -np.inf, np.zeros(d // 2), 0.0\nf((torch.tensor(-torch.inf), torch.zeros(d), torch.tensor(0.0)))"
    )
    assert found["empty states"][0] == "a = (-np.inf, np.ones(d // 2), 0.0)"  # a bare 0.0 is left out as a size
    assert len(found["empty states"]) == 3 and len(found[None]) == 4  # signs and shapes are changed
    found = changes("a = 0.0, np.zeros(d), 0.0\nf(np.inf, np.zeros(d), 0.0)\ng((-np.inf, np.zeros(d)))")
    assert "empty states" not in found
    assert not changes("y = a @ a")  # either way round it is the same


def test_only_checks_that_are_reached_are_run_and_what_they_need():
    chapter = units(
        "import check, torch",  # 0
        "torch.set_default_dtype(torch.float64)",  # 1
        "x = make()",  # 2
        "def f(a): return a + x",  # 3
        "other = make()",  # 4
        "slow = train(other)",  # 5
        "y = f(other)",  # 6
        "check.close('a', slow, 1, atol=1)",  # 7
        "check.close('b', y, 1, atol=1)",  # 8
        "x = 5",  # 9
        "check.close('c', x, 5, atol=0)",  # 10
    )
    flow = Flow(chapter)
    assert flow.checks == {7, 8, 10}
    assert flow.later(2, {"x"}) == [3, 4, 6, 8]  # through f; not slow, nor the new x
    assert flow.later(5, {"slow"}) == [7]
    assert flow.later(0, {"make"}) == [1, 2, 3, 4, 5, 6, 7, 8]  # settings are always made
    assert flow.later(8, {"y"}) == []
    assert flow.needed(flow.checks) == list(range(11))


def test_objects_that_change_in_place_are_followed():
    chapter = units(
        "w = zeros(3)",  # 0
        "optimizer = Adam([w])",  # 1
        "w.grad = g",  # 2
        "optimizer.step()",  # 3
        "found = []",  # 4
        "for x in w:\n    found.append(x)",  # 5
        "done = net.load_state_dict(w)",  # 6
        "from helpers import check",  # 7
        "check.close('a', found, 1, atol=0)",  # 8
        "check.close('b', net(1), 2, atol=0)",  # 9
        "check.close('c', other, 2, atol=0)",  # 10
    )
    flow = Flow(chapter)
    assert flow.later(1, {"optimizer"}) == [2, 3, 4, 5, 6, 7, 8, 9]


class Browser:
    """Something outside, with answers and with objects that answer."""

    count = 0

    async def open(self, address):
        return self

    async def ask(self, question):
        self.count += 1
        return [question, self.count]


def test_answers_are_played_back_in_their_order():
    async def visit(browser):
        page = await browser.open("here")
        return [await page.ask("a"), await page.ask("a")]

    tape = {"answers": {}, "asked": Counter()}
    run = ThreadPoolExecutor(1).submit  # where no other test's browser has a loop running
    heard = run(asyncio.run, visit(Taped(tape, "browser", Browser()))).result()
    tape["asked"].clear()
    assert run(asyncio.run, visit(Taped(tape, "browser"))).result() == heard == [["a", 1], ["a", 2]]
    with pytest.raises(Unasked):
        Taped(tape, "browser").open("elsewhere").__await__().send(None)


HELPER = """
def double(x):
    return x + x

def opposite(x):
    return -x
"""
CELLS = {
    "imports": ("machinery", "from helpers import check\nfrom helpers.streaming import double, opposite"),
    "start": ("check", "x, y = double(3), opposite(4) - opposite(4)"),
    "see": ("check", "check.close('a', x, 6, atol=0)\ncheck.close('a', y + 0, 0, atol=0)"),
    "blunt": (None, "z = x + y"),
    "blunt-check": ("check", "check.below('b', z, 9)"),
}
TABLE = """
[[equivalent]]
chapter = "01"
cell = "blunt"
change = "z = x + y → z = x - y"
reason = "y is 0."

[[equivalent]]
chapter = "01"
cell = "blunt"
change = "z = x + y → z = x * y"
reason = "There is no such change."
"""


def test_a_chapter_is_played(tmp_path):
    for folder in ("notebooks", "tests", "src"):
        (tmp_path / folder).mkdir()
    for file in ("mutants.py", "mutations.py"):
        shutil.copy(HERE / file, tmp_path / "tests")
    shutil.copytree(HERE.parent / "src" / "helpers", tmp_path / "src" / "helpers")
    (tmp_path / "src/helpers/streaming.py").write_text(HELPER)
    test = "from helpers.streaming import opposite\n\ndef test_opposite():\n    assert opposite(4) == -4\n"
    (tmp_path / "tests/test_streaming.py").write_text(test)
    (tmp_path / "tests/mutants.toml").write_text(TABLE)
    cells = [
        {"cell_type": "code", "id": id, "metadata": {"tags": [tag] if tag else []}, "source": [source]}
        for id, (tag, source) in CELLS.items()
    ]
    (tmp_path / "notebooks/01_small.ipynb").write_text(json.dumps({"cells": cells}))
    how = [sys.executable, tmp_path / "tests/mutants.py", "--all", "--least", "95"]
    run = subprocess.run(how, capture_output=True, text=True, env=os.environ | {"BOOK_SEED": "0"})
    alive = [line.partition("line ")[2] for line in run.stdout.splitlines() if line.startswith("- notebooks")]
    assert alive == ["2: `check.close('a', y + 0, 0, atol=0) → check.close('a', y - 0, 0, atol=0)`"], (
        run.stdout + run.stderr
    )
    assert "1 killed by its tests" in run.stdout
    assert "Alive but listed: 1." in run.stdout
    assert "`z = x + y → z = x * y` matches nothing any more" in run.stdout
    assert run.returncode == 1
