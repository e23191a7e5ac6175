"""Chapter 8: a laboratory of pages, each with a formula engine and a translator, and the record of its long runs.

`python -m helpers.translation notebooks/08_mathjax.json` makes the record: every order of the five steps under every
schedule, and many races, in each engine, in Chromium. It takes about five minutes. A part of it runs again wherever
the chapter runs; tests/browsers.py repeats the verdicts in Firefox and WebKit.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from io import BytesIO
from itertools import permutations
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from playwright.async_api import async_playwright

from helpers.browser import FLAGS, ROOT, find, serve

ENGINES = [
    *("mathjax2-html", "mathjax2-chtml", "mathjax2-svg"),
    *("mathjax3-chtml", "mathjax3-svg", "mathjax4-chtml", "mathjax4-svg", "katex"),
]
STEPS = ["guard", "insert", "typeset", "mark", "release"]
ORDERS = list(permutations(STEPS))
RATIOS = [1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8]  # of the longest pause of the engine to that of the translator
LONGEST = 480  # ms
TRIALS, TOGETHER = 200, 25  # races for each ratio, and how many run at a time
MANY = 125  # reverse races for each engine
FORMULA = "mjx-container, .MathJax, .MathJax_CHTML, .MathJax_SVG, .katex"
ARRIVES = "addEventListener('DOMContentLoaded', () => translate(document.body, { delay: () => 5 }));"
SETTLED = f"document.querySelectorAll('li :is({FORMULA})').length > 1 && !document.querySelector('li.notranslate')"
VERDICT = f"""async () => {{
    await new Promise((done) => setTimeout(done, 200)) // the translator has come by
    const blocks = [...document.querySelectorAll("li")]
    const formulas = blocks.flatMap((block) => [...block.querySelectorAll("{FORMULA}")])
    const garbled = formulas.filter((formula) => formula.closest("font") || formula.querySelector("font")).length
    const translated = blocks.every((block) => [...block.children].some((node) => node.matches("font")))
    return {{ formulas: formulas.length, garbled, translated }}
}}"""
START = """([engine, speech, config]) => {
    Object.assign(lab, { speech, config })
    return lab.start(engine, null, {}, speech)
}"""
RACE = """([n, seed, way, longest = 500]) => lab.race(async (block, insert, pause) => {
    if (way === "reverse") lab.guard(block)
    insert(block)
    await pause()
    await lab.typeset(block)
    lab.mark(block)
    lab.release(block)
}, { n, seed, delay: longest, pause: longest, spread: longest })"""


class Laboratory:
    """One browser with a page for each engine; `async with Laboratory(engines) as lab`, or `open` and `close`.

    Args:
        engines: some of `ENGINES`.
        shipped: MathJax 4 speaks formulas and MathJax 2.7 pauses between its phases, as they do if nothing is set.
            Otherwise they do neither, which is quicker.

    Raises:
        ValueError: an engine that is not among `ENGINES`, or none, or one twice.
        FileNotFoundError: no browser is on this machine; it says what to install.
    """

    def __init__(self, engines=ENGINES, shipped=False):
        engines = list(engines)
        if not engines or len(set(engines)) < len(engines) or not set(engines) <= set(ENGINES):
            raise ValueError(f"engines is {engines}; it must hold different ones of {ENGINES}")
        self.engines, self.shipped, self.stack = engines, shipped, AsyncExitStack()

    async def open(self):
        """Start the browser and load the engines; returns the laboratory itself."""
        program = find()
        try:
            self.address = self.stack.enter_context(serve())
            chromium = (await self.stack.enter_async_context(async_playwright())).chromium
            browser = await chromium.launch(executable_path=program, args=FLAGS)
            self.stack.push_async_callback(browser.close)
            self.context = await browser.new_context(viewport={"width": 620, "height": 300})
            pages = await asyncio.gather(*(self.page(engine, self.shipped) for engine in self.engines))
        except BaseException:
            await self.close()
            raise
        self.pages = dict(zip(self.engines, pages, strict=True))
        return self

    async def page(self, engine, shipped, config=None):
        """A new page of the laboratory with this engine; `config` is more for MathJax."""
        page = await self.context.new_page()
        await page.goto(f"{self.address}/tests/engines/chapter.html")
        await page.wait_for_function("window.lab?.ready")
        await page.evaluate(START, [engine, shipped and engine.startswith("mathjax4"), config or {}])
        if shipped and engine.startswith("mathjax2"):
            await page.evaluate("() => { Object.assign(MathJax.Hub, lab.own) }")
        return page

    async def recipe(self, name):
        """What a translator leaves of tests/engines/recipes/<name>.html, which loads another block when it is loaded.

        It is there before the page's own scripts and comes 5 ms after each change. {"formulas": how many there are,
        "garbled": in how many it was, "translated": whether it has been in every block}.
        """
        page = await self.context.new_page()
        translator = (ROOT / "book/assets/translator.js").read_text("utf-8").replace("export ", "")
        await page.add_init_script(translator + ARRIVES)
        await page.goto(f"{self.address}/tests/engines/recipes/{name}.html")
        await page.wait_for_function(f"document.querySelectorAll('li :is({FORMULA})').length")
        await page.get_by_role("button").click()
        await page.wait_for_function(SETTLED)
        return await page.evaluate(VERDICT)

    async def close(self):
        await self.stack.aclose()

    async def __aenter__(self):
        return await self.open()

    async def __aexit__(self, *error):
        await self.close()

    async def ask(self, script, *args, engines=None):
        """Run a function of JavaScript, given the list `args`, in the page of each engine: {engine: its answer}."""
        return await self.each(script, dict.fromkeys(self.engines if engines is None else engines, args))

    async def each(self, script, args):
        """The same with arguments of their own: {engine: args} → {engine: its answer}."""
        answers = await asyncio.gather(
            *(self.pages[engine].evaluate(script, list(own)) for engine, own in args.items())
        )
        return dict(zip(args, answers, strict=True))

    async def picture(self, engine, width, height):
        """A sentence untranslated, translated before and after typesetting, and marked: (4 height, width, 4)."""
        await self.pages[engine].evaluate("() => lab.paragraphs()")
        return await self.shot(engine, width, 4 * height)

    async def shot(self, engine, width, height):
        """What its page shows, from the first line of its paragraphs on: (height, width, 4)."""
        page = self.pages[engine]
        await page.bring_to_front()  # what lies behind is painted late
        clip = {"x": 8, "y": 18, "width": width, "height": height}
        return plt.imread(BytesIO(await page.screenshot(clip=clip)))


def pauses(ratio, n, seed):
    """When the translator comes and when the engine is ready, in whole ms: two lists of n.

    Both are uniform from 0; the engine's longest is `ratio` times the translator's, the longer of the two `LONGEST`.
    """
    if not ratio > 0 or n < 1:
        raise ValueError(f"ratio is {ratio} and n is {n}; both must be positive")
    a, b = LONGEST / max(ratio, 1), LONGEST * min(ratio, 1)
    rng = np.random.default_rng(seed)
    return [rng.uniform(0, longest, n).round().astype(int).tolist() for longest in (a, b)]


async def record():
    """The long runs: {engine: {"orders": …, "garbled": …, "late": …}}.

    orders: for each of `ORDERS` two numbers whose bit v says what schedule v left: whole, translated.
    garbled: of `TRIALS` races for each of `RATIOS`, with a seed of their own.
    late: [whole, translated] of `MANY` blocks that came by the reverse recipe.
    """
    found = {}
    for k, engine in enumerate(ENGINES):
        print(engine, file=sys.stderr, flush=True)
        async with Laboratory([engine]) as lab:
            ask = lambda script, *args, lab=lab: lab.ask(script, *args)
            orders = [(await ask("(steps) => lab.schedules([steps])", *order))[engine][0] for order in ORDERS]
            garbled = []
            for i, ratio in enumerate(RATIOS):
                D, E = pauses(ratio, TRIALS, 100 * k + i)
                parts = [slice(at, at + TOGETHER) for at in range(0, TRIALS, TOGETHER)]
                runs = [(await ask("([D, E]) => lab.contest(D, E, true)", D[p], E[p]))[engine] for p in parts]
                garbled.append(sum(map(sum, runs)))
            late = (await ask(RACE, MANY, 100 * k, "reverse"))[engine]
            found[engine] = {
                "orders": [pack(outcomes) for outcomes in orders],
                "garbled": garbled,
                "late": [sum(block[what] for block in late) for what in ("whole", "translated")],
            }
    return found


def pack(outcomes):
    """A list of [whole, translated], one a schedule, as two whole numbers with a bit for each schedule."""
    return [sum(int(outcome[what]) << v for v, outcome in enumerate(outcomes)) for what in (0, 1)]


def load(path):
    """What `record` wrote.

    Raises:
        FileNotFoundError, ValueError: no such file, or not a record of these engines and orders; with the command.
    """
    how = f"make it with: python -m helpers.translation {path}"
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; {how}")
    found = json.loads(path.read_text("utf-8"))
    if not isinstance(found, dict) or list(found) != ENGINES:
        raise ValueError(f"{path} does not hold these engines; {how}")
    for engine, runs in found.items():
        if (len(runs["orders"]), len(runs["garbled"])) != (len(ORDERS), len(RATIOS)):
            raise ValueError(f"{path} does not hold all runs of {engine}; {how}")
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python -m helpers.translation FILE.json")
    made = {engine: json.dumps(runs) for engine, runs in asyncio.run(record()).items()}
    rows = ",\n".join(f"  {json.dumps(engine)}: {runs}" for engine, runs in made.items())
    Path(sys.argv[1]).write_text(f"{{\n{rows}\n}}\n", "utf-8")
