"""The laboratory of chapter 8 in Chromium: the open-source walk, the races, and recipes that lack a step."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers import translation as web
from helpers.browser import ROOT

RECIPES = ROOT / "tests/engines/recipes"


def apart(coroutine):
    """Its answer; from a thread, for in this one the loop of the tests of pages may be running."""
    with ThreadPoolExecutor() as thread:
        return thread.submit(asyncio.run, coroutine).result()


def run(engines, *asks, **how):
    """The answers of one laboratory to these (function of JavaScript, arguments …)."""

    async def inside():
        async with web.Laboratory(engines, **how) as lab:
            return [await lab.ask(*one) for one in asks]

    return apart(inside())


def test_pieces_join_what_inline_elements_part():
    html = (
        "one <em>two</em> three<code>no</code>four<div>five</div><span class='notranslate'>no</span> six"
        "<svg><text>no</text></svg><span translate='no'>no</span><sup>seven</sup><span></span><b> </b>eight"
    )
    script = """async ([html]) => {
        const { pieces } = await import("./page-translator.js")
        const root = document.createElement("div")
        root.innerHTML = html
        return pieces(root).map((texts) => texts.map((text) => text.data.trim()))
    }"""
    [seen] = run(["katex"], (script, html))
    assert seen["katex"] == [["one", "two", "three"], ["four"], ["five"], ["six"], ["seven"], ["eight"]]


def test_a_page_translator_gives_each_text_its_share_once():
    script = """async () => {
        const { pageTranslator } = await import("./page-translator.js")
        const root = document.createElement("div")
        root.innerHTML = "on<em>ce</em> more"
        const translator = pageTranslator(root)
        translator.visit()
        const first = root.innerHTML
        translator.visit()
        root.append(document.createElement("p"))
        root.lastChild.append("again")
        translator.visit()
        translator.stop()
        return [first, root.innerHTML]
    }"""
    [seen] = run(["katex"], (script,))
    first = "<font>ôñ</font><em><font>çë</font></em><font> môřë</font>"
    assert seen["katex"] == [first, f"{first}<p><font>ágáïñ</font></p>"]


def test_a_race_is_decided_by_the_order():
    """The function that races are run with: early and late visits, the guard of a long margin on both sides."""
    [seen] = run(["katex", "mathjax3-chtml"], ("([D, T]) => lab.contest(D, T)", [0, 300, 0, 300], [300, 0, 300, 0]))
    assert list(seen.values()) == [[1, 0, 1, 0]] * 2


@pytest.mark.parametrize(
    ("html", "wrapped", "formulas"),
    [
        (r"<p>one \(a<1\) <em>two</em> \[b\]</p>", [r"\(a<1\)", r"\[b\]"], 2),
        (r'<img alt="the root \(x\) > 0"> and \(y\), <b title="\[z\]">\(w\)</b>', [r"\(y\)", r"\(w\)"], 2),
        (r"$$a\\[2pt]b$$ and \[c\\[2pt]d\]", [r"\[c\\[2pt]d\]"], 2),
    ],
    ids=["both delimiters", "TeX in attributes", "line breaks with a length"],
)
def test_the_printed_wrap_finds_its_formulas_alone(html, wrapped, formulas):
    """What it puts into a marked span; without the spans all is as before, and MathJax 2.7 finds every formula."""
    script = """async ([lines, html]) => {
        const p = document.createElement("p")
        p.innerHTML = html
        const before = p.innerHTML
        new Function("p", `${lines}\nwrap(p);`)(p)
        lab.page.replaceChildren(p)
        const spans = [...p.querySelectorAll("span.notranslate")]
        const wrapped = spans.map((span) => span.textContent)
        const bare = p.cloneNode(true)
        bare.querySelectorAll("span.notranslate").forEach((span) => span.replaceWith(...span.childNodes))
        await lab.typeset(p)
        return [wrapped, bare.innerHTML === before, p.querySelectorAll(lab.FORMULA).length]
    }"""
    lines = (RECIPES / "lines.js").read_text("utf-8")
    [seen] = run(["mathjax2-chtml"], (script, lines, html))
    assert seen["mathjax2-chtml"] == [wrapped, True, formulas]


NAMES = sorted(path.stem for path in RECIPES.glob("*.html"))


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_runs_as_printed(name):
    """The first formula and the late one stay whole, and all prose is translated."""

    async def inside():
        async with web.Laboratory(["katex"]) as lab:
            return await lab.recipe(name)

    assert apart(inside()) == {"formulas": 2, "garbled": 0, "translated": True}


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_without_its_guard_is_garbled(name, tmp_path):
    """The verdict on a recipe can fail: with no mark on the formulas they are rewritten."""

    async def inside():
        async with web.Laboratory(["katex"]) as lab:
            source = (RECIPES / f"{name}.html").read_text("utf-8")
            bare, n = re.subn(r"for \(const formula of .*\n.*", "", source)
            assert n == 1
            await lab.context.route(f"**/{name}.html", lambda route: route.fulfill(body=bare, content_type="text/html"))
            return await lab.recipe(name)

    seen = apart(inside())
    assert (seen["formulas"], seen["garbled"], seen["translated"]) == (2, 2, True)
