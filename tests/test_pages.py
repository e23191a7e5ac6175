"""The built book in a real browser: complete by itself, typeset, accessible, its sliders alive."""

import gzip
import json
import posixpath
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import axe_playwright_python
import pytest
from conftest import HTML

from helpers.browser import ROOT

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text("utf-8")
SURVEY = "\n".join(
    (ROOT / path).read_text("utf-8") for path in ("book/assets/translator.js", "tests/engines/survey.js")
)
PAGES = sorted(p.relative_to(HTML).as_posix() for p in HTML.rglob("*.html") if "_static" not in p.parts)
PAGES.remove("index.html")  # it leads to book/intro.html at once
CHAPTERS = [page for page in PAGES if page.startswith("notebooks/")]


@pytest.fixture
def visit(browser, book):
    """Open a page with every other host out of reach; return it once its formulas are set."""
    contexts = []

    def visit(path, width=1280, theme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        contexts.append(context)
        # Both names are the theme's own: what its light/dark button stores.
        context.add_init_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')")
        page = context.new_page()
        page.trouble, page.bodies = [], {}
        page.on("console", lambda m: m.type in ("error", "warning") and page.trouble.append(f"console: {m.text}"))
        page.on("pageerror", lambda e: page.trouble.append(f"error: {e}"))
        page.on("response", lambda r: page.trouble.append(f"{r.status}: {r.url}") if r.status >= 400 else None)
        page.on("requestfinished", lambda r: page.bodies.update({r.url: r}))

        def route(route):
            if route.request.url.startswith((book, "data:", "blob:")):
                return route.continue_()
            page.trouble.append(f"request to another host: {route.request.url}")
            return route.abort()

        page.route("**/*", route)
        page.goto(f"{book}/{path}", wait_until="load")
        page.wait_for_function("[...document.querySelectorAll('.math')].every(m => m.querySelector('mjx-container'))")
        return page

    yield visit
    for context in contexts:
        context.close()


def test_there_are_pages():
    assert len(CHAPTERS) >= 1 and {"book/intro.html", "book/ledger.html", "search.html"} <= set(PAGES)


@pytest.mark.parametrize("path", PAGES)
def test_page_is_whole(visit, path):
    page = visit(path)
    page.evaluate("document.fonts.ready.then(() => 0)")
    assert page.trouble == []
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    text = page.evaluate("""() => {
        const copy = document.querySelector('article, main').cloneNode(true);
        copy.querySelectorAll('pre, code, script, style, mjx-container').forEach(n => n.remove());
        return copy.textContent}""")
    for raw in (r"\(", r"\[", "$", "{eq}", "{ref}", "{cite", ":label:", "```", "[^", "{{"):
        assert raw not in text, text[max(0, text.find(raw) - 60) : text.find(raw) + 60]
    for name in ("title", "h1"):
        assert not re.search(r"[\\$]", page.locator(name).first.text_content())
    missing = page.evaluate(
        "[...document.images].filter(i => !i.complete || !i.naturalWidth || !i.alt).map(i => i.src)"
    )
    assert missing == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("path", PAGES)
def test_page_is_accessible_and_fits(visit, path, width, theme):
    page = visit(path, width, theme)
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # What fades in has little contrast meanwhile.
    page.add_style_tag(content="* { animation: none !important; transition: none !important }")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.evaluate("document.querySelectorAll('.toggle-hidden').forEach(d => d.classList.remove('toggle-hidden'))")
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)")
    assert [(v["id"], [n["html"][:200] for n in v["nodes"]][:3]) for v in found] == []


class Anchors(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.ids, self.targets = set(), []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.add(attrs.get("id"))
        if tag == "a" and attrs.get("name"):
            self.ids.add(attrs["name"])
        if target := attrs.get("href") or attrs.get("src"):
            self.targets.append(target)


def test_links_resolve():
    pages = {path: Anchors(HTML / path) for path in PAGES}
    dead = []
    for path, page in pages.items():
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            url, anchor = urldefrag(unquote(parts._replace(query="").geturl()))
            file = posixpath.normpath(posixpath.join(posixpath.dirname(path), url)) if url else path
            if not (HTML / file).exists() or (anchor and file in pages and anchor not in pages[file].ids):
                dead.append(f"{path}: {target}")
    assert dead == []


def test_ids_are_unique():
    for path in PAGES:
        found = re.findall(r'<(?!use|clipPath|path|g\b)[^<>]*\bid="([^"]+)"', (HTML / path).read_text("utf-8"))
        assert sorted({i for i in found if found.count(i) > 1}) == [], path


@pytest.mark.parametrize("path", CHAPTERS)
def test_sliders_move_the_picture(visit, path):
    page = visit(path)
    sliders = page.locator(".explore input[type=range]")
    assert sliders.count() >= 2
    for n in range(sliders.count()):
        slider = sliders.nth(n)
        figure = page.locator(".explore").filter(has=page.locator(f"#{slider.get_attribute('id')}"))
        assert page.locator(f"label[for='{slider.get_attribute('id')}']").text_content()
        state = lambda: (
            figure.locator(".frame svg").get_attribute("aria-label"),  # noqa: B023
            figure.locator(".frame svg").inner_html(),  # noqa: B023
            slider.get_attribute("aria-valuetext"),  # noqa: B023
        )
        slider.scroll_into_view_if_needed()
        first = state()
        slider.focus()
        page.keyboard.press("ArrowRight")
        second = state()
        assert all(a != b for a, b in zip(first, second, strict=True))
        box = slider.bounding_box()
        page.mouse.click(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
        third = state()
        assert all(a != b for a, b in zip(second, third, strict=True)) or slider.get_attribute("max") == "1"
        page.keyboard.press("Home")
        assert state() == first
        # The frame is there before the next one is painted.
        swapped = slider.evaluate("""s => {
            const frame = s.closest('.explore').querySelector('.frame'), before = frame.innerHTML;
            s.value = s.max;
            s.dispatchEvent(new Event('input', {bubbles: true}));
            return frame.innerHTML !== before}""")
        assert swapped
        page.keyboard.press("Home")
    assert page.trouble == []


@pytest.mark.parametrize("path", CHAPTERS)
def test_chapter_weight(visit, path):
    page = visit(path)
    page.evaluate("document.fonts.ready.then(() => 0)")
    sizes = {url: len(gzip.compress(request.response().body())) for url, request in page.bodies.items()}
    assert sum(sizes.values()) <= 1_200_000, json.dumps(sizes, indent=1)


def test_theme_button_changes_the_theme(visit):
    page = visit("book/intro.html")
    seen = {page.evaluate("document.documentElement.dataset.theme")}
    for _ in range(2):
        page.locator(".theme-switch-button:visible").first.click()
        seen.add(page.evaluate("document.documentElement.dataset.theme"))
    assert seen == {"light", "dark"}


@pytest.mark.parametrize("path", CHAPTERS)
def test_solutions_are_folded_and_open(visit, path):
    page = visit(path)
    solutions = page.locator(".solution")
    assert solutions.count() >= 4
    for n in range(solutions.count()):
        inside = solutions.nth(n).locator(".math, .cell, p:not(.admonition-title)").first
        assert not inside.is_visible()
        solutions.nth(n).locator("button.toggle-button").click()
        assert inside.is_visible()


def survey(page):
    """Let the translator of chapter 8 loose on a page: how many formulas there are, what it garbled, what it left."""
    page.add_script_tag(content=SURVEY, type="module")
    page.wait_for_function("window.survey")
    return page.evaluate("survey()")


@pytest.mark.parametrize("path", PAGES)
def test_page_survives_translation(visit, browser, book, path):
    """Before its formulas are typeset, and after."""
    typeset = visit(path)
    context = browser.new_context()
    context.route("**/mathjax/**", lambda route: route.abort())
    raw = context.new_page()
    raw.goto(f"{book}/{path}")
    seen = [survey(raw), survey(typeset)]
    context.close()
    assert [(page["garbled"], page["untranslated"]) for page in seen] == [([], [])] * 2
    assert seen[0]["formulas"] == seen[1]["formulas"] and seen[0]["sentences"] > 10


@pytest.mark.parametrize("path", PAGES)
def test_no_raw_tex_outside_of_formulas(visit, path):
    """Not in the title, in alternative texts, or in tables of contents."""
    texts = visit(path).evaluate("""() => {
        const labels = document.querySelectorAll("[alt], [aria-label], [title]");
        const own = [...labels].filter((node) => !node.closest("mjx-container"));
        return [document.title, ...[...document.querySelectorAll("nav, h1, h2, h3")].map((node) => node.textContent),
            ...own.flatMap((node) => ["alt", "aria-label", "title"].map((name) => node.getAttribute(name) ?? ""))]}""")
    assert [text for text in texts if re.search(r"\\[(\[a-zA-Z]|\$", text)] == []


CHAPTER_8 = "notebooks/08_mathjax_translate_lazy.html"


@pytest.fixture
def play(visit):
    """Press the buttons of a demonstration of chapter 8 until it says something."""
    page = visit(CHAPTER_8)

    def play(kind, *buttons, protection=False, says):
        box = page.locator(f".translate-demo[data-kind={kind}]")
        box.get_by_role("checkbox", name="protection").set_checked(protection)
        box.get_by_role("button", name="Start again").click()
        for button in buttons:
            box.get_by_role("button", name=button).click()
            page.wait_for_timeout(100)
        box.get_by_role("status").filter(has_text=says).wait_for()

    yield play
    assert page.trouble == []


def test_demonstrations_show_the_four_situations(play):
    garbled, whole = "formula garbled, prose translated", "formula whole, prose translated"
    play("finished", "Translate", says="formula garbled for a screen reader, prose translated")
    play("finished", "Translate", protection=True, says=whole)
    play("late", "Load more", says="formula raw, prose as written")
    play("late", "Load more", "Typeset", says="formula whole, prose as written")
    play("late", "Load more", protection=True, says="formula whole, prose as written")
    play("race", "Load more", says=garbled)
    play("race", "Load more", protection=True, says=whole)
    play("reverse", *["Next step"] * 3, says=f"mark; the translator has come by. Paragraph 1: {garbled}")
    play("reverse", *["Next step"] * 4, protection=True, says="formula whole, prose as written")
    play("reverse", *["Next step"] * 5, protection=True, says=whole)


def test_search_finds_a_chapter(visit):
    page = visit("search.html?q=recurrence")
    page.wait_for_selector("#search-results li a")
    assert "Attention as a quadratic-time RNN" in page.locator("#search-results").text_content()


@pytest.mark.parametrize("word", ["recurrence", "softmax", "matrix", "translator"])
def test_search_results_have_no_raw_tex(visit, word):
    page = visit(f"search.html?q={word}")
    page.wait_for_function("document.querySelectorAll('#search-results li p.context').length")
    page.wait_for_timeout(1000)  # the other excerpts
    results = page.locator("#search-results").text_content()
    assert not re.search(r"\\[(\[a-zA-Z]|\$", results), results
