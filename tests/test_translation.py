"""helpers.translation: what it refuses, what it packs, and the laboratory's own parts, in Chromium."""

import asyncio
import json
import re

import numpy as np
import pytest

from helpers import translation as web
from helpers.browser import ROOT

SHIPPED = ROOT / "notebooks" / "08_mathjax.json"
RECIPES = ROOT / "tests/engines/recipes"


def run(engines, *asks, **how):
    """The answers of one laboratory to these (function of JavaScript, arguments …)."""

    async def inside():
        async with web.Laboratory(engines, **how) as lab:
            return [await lab.ask(*one) for one in asks]

    return asyncio.run(inside())


@pytest.mark.parametrize("engines", [[], ["mathjax5"], ["katex", "katex"]])
def test_engines_that_are_none(engines):
    with pytest.raises(ValueError, match="engines is"):
        web.Laboratory(engines)


@pytest.mark.parametrize(("ratio", "n"), [(0, 3), (-1, 3), (float("nan"), 3), (1, 0)])
def test_pauses_that_are_none(ratio, n):
    with pytest.raises(ValueError, match="both must be positive"):
        web.pauses(ratio, n, 0)


@pytest.mark.parametrize("ratio", web.RATIOS)
def test_pauses_keep_their_ratio_and_their_seed(ratio):
    D, T = web.pauses(ratio, 4000, 7)
    assert [D, T] == web.pauses(ratio, 4000, 7) != web.pauses(ratio, 4000, 8)
    assert max(D + T) <= web.LONGEST and min(D + T) >= 0
    # the mean of 4000 uniform times has a relative standard error of 1/√(3 · 4000) < 1 %
    assert np.mean(T) / np.mean(D) == pytest.approx(ratio, rel=0.06)


def test_pack_gives_a_bit_for_each_schedule():
    assert web.pack([[1, 0], [0, 0], [1, 1]]) == [0b101, 0b100]
    assert web.pack([[1, 1]] * 32) == [2**32 - 1] * 2


def test_a_record_is_whole_or_refused(tmp_path):
    file = tmp_path / "record.json"
    with pytest.raises(FileNotFoundError, match=r"missing; make it with: python -m helpers\.translation"):
        web.load(file)
    shipped = json.loads(SHIPPED.read_text("utf-8"))
    for broken in ({}, [], {"katex": shipped["katex"]}):
        file.write_text(json.dumps(broken), "utf-8")
        with pytest.raises(ValueError, match="does not hold these engines"):
            web.load(file)
    for key in ("orders", "garbled"):
        file.write_text(json.dumps(shipped | {"katex": shipped["katex"] | {key: []}}), "utf-8")
        with pytest.raises(ValueError, match="all runs of katex"):
            web.load(file)
    assert web.load(SHIPPED) == shipped and SHIPPED.stat().st_size < 50_000


def test_a_table_has_a_cell_for_each_column():
    assert web.table(["a", "b"], [[1, 2]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    with pytest.raises(ValueError, match="2 cells"):
        web.table(["a", "b"], [[1]])


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


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES.glob("*.html")))
def test_a_recipe_without_its_guard_is_garbled(name, tmp_path):
    """The verdict on a recipe can fail: with no mark on the formulas they are rewritten."""

    async def inside():
        async with web.Laboratory(["katex"]) as lab:
            source = (RECIPES / f"{name}.html").read_text("utf-8")
            bare, n = re.subn(r"for \(const formula of .*\n.*", "", source)
            assert n == 1
            await lab.context.route(f"**/{name}.html", lambda route: route.fulfill(body=bare, content_type="text/html"))
            return await lab.recipe(name)

    seen = asyncio.run(inside())
    assert (seen["formulas"], seen["garbled"], seen["translated"]) == (2, 2, True)
