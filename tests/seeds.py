"""Run the chapters with many seeds: does a check fail, and which come near their limits?

    .venv/bin/python tests/seeds.py [--seeds 0-19] [--chapter 04] [--jobs 2]

A chapter runs once for each seed, in a process of its own, on one thread, without its pictures. The report gives, for
each chapter, the seeds that passed, what failed, and the checks that used most of what they allow, with the seed.
"""

import argparse
import ast
import asyncio
import inspect
import json
import os
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutants import ALONE, ROOT, without_pictures
from tqdm import tqdm

sys.path.append(str(ROOT / "book/_ext"))
SECONDS = 900  # what a chapter may take on a busy machine


def play(notebook):
    """The records of the checks of a chapter, and where it failed, if it did; here and now."""
    records, failed = [], None
    without_pictures(lambda line: records.append(line.record))
    os.chdir(notebook.parent)
    names, loop = {"__name__": "__main__"}, asyncio.new_event_loop()
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        code = compile("".join(cell["source"]), cell["id"], "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        try:
            answer = eval(code, names)
            if inspect.iscoroutine(answer):
                loop.run_until_complete(answer)
        except Exception as error:
            failed = f"[{cell['id']}] {traceback.format_exception_only(error)[-1].strip()}"
            break
    return records, failed


def run(notebook, seed):
    """`play` in a process of its own."""
    places = ALONE | {"BOOK_SEED": str(seed), "PYTHONPATH": str(ROOT / "src")}
    how = [sys.executable, "-W", "ignore", __file__, "--play", str(notebook)]
    try:
        done = subprocess.run(how, env=os.environ | places, capture_output=True, text=True, timeout=SECONDS)
        return json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return [], f"more than {SECONDS} s"
    except (ValueError, IndexError):
        return [], f"the process ended: {done.stderr[-300:]}"


def report(notebook, seeds, results):
    """One chapter as a section of text; whether all passed."""
    from ledger import margin  # Sphinx, which the runs do not need

    failed = {seed: why for seed, (_, why) in zip(seeds, results, strict=True) if why}
    nearest = {}
    for seed, (records, _) in zip(seeds, results, strict=True):
        count = {}
        for record in records:
            n = count[record["id"]] = count.get(record["id"], 0) + 1
            if record["kind"] == "statistical" and (times := margin(record)):
                nearest[record["id"], n] = max(nearest.get((record["id"], n), (0, seed)), (1 / times, seed))
    print(f"\n{notebook.stem}: {len(seeds) - len(failed)} of {len(seeds)} seeds passed.")
    for seed, why in failed.items():
        print(f"  seed {seed} failed: {why}")
    for (id, n), (share, seed) in sorted(nearest.items(), key=lambda item: -item[1][0])[:3]:
        print(f"  {id}, comparison {n}: up to {share:.0%} of what it allows, at seed {seed}")
    return not failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", default="0-19", help="the first and the last")
    parser.add_argument("--chapter", default="", help="its number, as in 04; all of them unless given")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--play", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.play:
        out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # what a chapter says is not the answer
        print(json.dumps(play(options.play)), file=out, flush=True)
        return
    first, _, last = options.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    notebooks = sorted(ROOT.glob(f"notebooks/{options.chapter}*.ipynb"))
    if not notebooks or not seeds:
        sys.exit(f"There is no chapter {options.chapter!r} or no seed in {options.seeds!r}.")
    with ThreadPoolExecutor(options.jobs) as pool:
        runs = {(notebook, seed): pool.submit(run, notebook, seed) for notebook in notebooks for seed in seeds}
        for one in tqdm(runs.values(), desc="runs", mininterval=5):
            one.result()
    passed = [report(book, seeds, [runs[book, seed].result() for seed in seeds]) for book in notebooks]
    sys.exit(0 if all(passed) else "A check failed.")


if __name__ == "__main__":
    main()
