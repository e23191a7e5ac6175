"""The built book in a real browser: complete by itself, readable on a phone, accessible, its sliders alive."""

import gzip
import json
import posixpath
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit
from zipfile import ZipFile

import axe_playwright_python
import pytest
from conftest import HTML, SECOND
from playwright.sync_api import TimeoutError

from helpers.browser import ROOT
from helpers.check import TERMS

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text("utf-8")
SURVEY = "\n".join(
    (ROOT / path).read_text("utf-8") for path in ("book/assets/translator.js", "tests/engines/survey.js")
)
PAGES = sorted(p.relative_to(HTML).as_posix() for p in HTML.rglob("*.html") if "_static" not in p.parts)
PAGES.remove("index.html")  # it leads to book/intro.html at once
CHAPTER_8 = "notebooks/08_mathjax_translate_lazy.html"  # its demonstration has a live engine
CHAPTERS = [page for page in PAGES if page.startswith("notebooks/")]


@pytest.fixture
def visit(browser, book):
    """Open a page with every other host out of reach."""
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
        return page

    yield visit
    for context in contexts:
        context.close()


def test_there_are_pages():
    assert len(CHAPTERS) >= 1 and {"book/intro.html", "book/ledger.html", "search.html"} <= set(PAGES)


@pytest.mark.parametrize("path", PAGES)
def test_page_is_whole_and_works(visit, path):
    page = visit(f"{path}?code=open")  # which the links of a page with open code carry
    formulas_are_set(page, path)
    assert page.evaluate(OPENED) == page.locator("details.code").count()
    no_raw_tex_outside_of_formulas(page)
    if path in CHAPTERS:
        chapter_weighs_little(page)
        one_switch_opens_all_code(page)
        chapter_works(page)
    page_fits_a_phone(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    page_survives_translation(page)
    page_is_accessible_and_fits(page)


@pytest.mark.parametrize("path", CHAPTERS)
def test_pictures_move(visit, path):
    """A test of its own, for it takes as long as all the others of a chapter: two workers share them."""
    page = visit(path)
    sliders_move_the_picture(page)
    pictures_follow_the_hand(page)


def chapter_works(page):
    every_figure_has_number_caption_and_alt_text(page)
    what_is_open_counts_on(page)
    predictions_are_answered_once_they_are_made(page)
    broken_terms_are_marked(page)
    live(page)
    links_open_folds(page)
    solutions_are_folded_and_open(page)


def least(page, number):
    """What is asked of a chapter of the second edition; a new one has to have one."""
    return number if urlsplit(page.url).path.rpartition("/")[2].startswith(SECOND) else 1


def formulas_are_set(page, path):
    page.evaluate("document.fonts.ready.then(() => 0)")
    assert page.trouble == []
    formulas = page.locator(".math")
    assert (
        page.locator(".math.notranslate[translate=no] > :is(.katex, .katex-display) .katex-mathml math").count()
        == formulas.count() - page.locator(".translate-demo .math").count()
    )
    assert page.locator(".katex-error, mjx-merror").count() == 0
    plain = [f"[style*='color:{name};']" for name in TERMS]
    assert page.locator(f".katex-html :is({', '.join(plain)})").count() == 0, "a term's colour is not the theme's"
    assert not page.evaluate("'MathJax' in window") or path == CHAPTER_8
    text = page.evaluate("""() => {
        const copy = document.querySelector('article, main').cloneNode(true);
        copy.querySelectorAll('pre, code, script, style, mjx-container, .math').forEach(n => n.remove());
        return copy.textContent}""")
    for raw in (r"\(", r"\[", "$", "{eq}", "{ref}", "{cite", ":label:", "```", "[^", "{{"):
        near = " ".join(text[max(0, text.find(raw) - 60) : text.find(raw) + 60].split())
        assert raw not in text, f"{raw} stands raw on the page: … {near} …"
    for name in ("title", "h1"):
        assert not re.search(r"[\\$]", page.locator(name).first.text_content())
    missing = page.evaluate(
        "[...document.images].filter(i => !i.complete || !i.naturalWidth || !i.alt).map(i => i.src)"
    )
    assert missing == []


OPENED = "[...document.querySelectorAll('details.code')].filter(fold => fold.open).length"
# axe looks at every element. Of formulas, which have the colour of their line, twenty stay whole, and those in heads of
# tables; of the words of code with one class, one; of a table, ten rows; of the lines of single checks, ten of each
# kind; of what is drawn, nothing, for it has its text alternative.
REDUCE = """() => {
    const seen = new Set();
    [...document.querySelectorAll(".katex:not(th *)")].slice(20).forEach((formula) => formula.remove());
    for (const kind of ["pass", "broken"])
        [...document.querySelectorAll(`p.check-${kind}`)].slice(10).forEach((line) => line.remove());
    document.querySelectorAll("svg[role=img], .knobs").forEach((picture) => picture.replaceChildren());
    for (const word of document.querySelectorAll(".highlight span")) {
        if (seen.has(word.className)) word.replaceWith(...word.childNodes);
        seen.add(word.className);
    }
    document.querySelectorAll("tbody > tr:nth-child(n + 11)").forEach((row) => row.remove())}"""
# It compares the colour of every text with what lies behind it, and that is nine tenths of its time. So for colours two
# stay of what looks alike: by tags and classes of itself, of what it is in and of what is in it.
THIN = """() => {
    const seen = {}, name = (node) => node.localName + "." + node.className
    const around = (node) => (node ? name(node) + ">" + around(node.parentElement) : "")
    const within = (node) => [...new Set([...node.querySelectorAll("*")].map(name))].sort().join(" ")
    for (const node of document.querySelectorAll("p, .math, li, tbody > tr, pre, details")) {
        const look = node.isConnected && around(node) + within(node)
        if (look && (seen[look] = (seen[look] ?? 0) + 1) > 2) node.remove()
    }}"""


REACHABLE = """() => [...document.querySelectorAll("pre, table, .katex-display")].every(
    (box) => box.scrollWidth <= box.clientWidth + 1 || box.tabIndex === 0)"""


def page_is_accessible_and_fits(page):
    """Last, for what is many times there is taken out of the page, and so is what a translator has put in."""
    page.evaluate("document.querySelectorAll('font').forEach((font) => font.replaceWith(...font.childNodes))")
    # What fades in has little contrast meanwhile.
    page.add_style_tag(content="* { animation: none !important; transition: none !important }")
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.evaluate("document.querySelectorAll('.toggle-hidden').forEach(d => d.classList.remove('toggle-hidden'))")
    page.evaluate(REDUCE)
    page.evaluate(AXE)
    only = lambda *rules: {"runOnly": {"type": "rule", "values": rules}}
    # Names, roles and order are the same in both.
    audit(page, 1280, "light", {"rules": {"color-contrast": {"enabled": False}}})
    audit(page, 390, "dark", only("link-in-text-block", "scrollable-region-focusable", "target-size"))
    page.evaluate(THIN)
    audit(page, 390, "dark", only("color-contrast"))
    audit(page, 1280, "light", only("color-contrast"))


def audit(page, width, theme, how):
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.wait_for_function(REACHABLE)  # boxes that scroll now get into the reach of keys a frame or more later
    how = {"resultTypes": ["violations"]} | how
    found = page.evaluate("how => axe.run(document, how).then(r => r.violations)", how)
    assert [(v["id"], [n["html"][:200] for n in v["nodes"]][:3]) for v in found] == [], theme


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


def live(page):
    """Bring every picture that moves near, one by one, until it does; there must be one.

    Handles, here and below: to find an element anew Playwright walks through the page, 30 ms in a chapter.
    """
    pictures = page.query_selector_all(".explore:has(.moving)")
    assert pictures
    for picture in pictures:
        picture.evaluate("picture => picture.closest('.toggle-hidden')?.querySelector('.toggle-button').click()")
        picture.scroll_into_view_if_needed()
        page.wait_for_function("picture => 'live' in picture.dataset", arg=picture)
    return pictures


def state(figure):
    return figure.evaluate("""figure => {
        const picture = figure.querySelector(".frame svg");
        return [picture.getAttribute("aria-label"), picture.innerHTML, figure.querySelector(".see").textContent]}""")


def pictures_follow_the_hand(page):
    """Their buttons; their handles, by mouse and by touch; and words of one colour light up."""
    for figure in live(page):
        buttons, seen = figure.query_selector_all("button"), set()
        for button in buttons:
            box = button.bounding_box()
            assert min(box["width"], box["height"]) >= 43.5
        for button in buttons * 2:
            button.focus()
            page.keyboard.press("Enter")
            assert button.get_attribute("aria-pressed") in (None, "true")
            seen.add(tuple(state(figure)))
        assert len(seen) > 1 or not buttons
        for reach in figure.query_selector_all(".knobs .reach"):
            figure.query_selector(".stage").scroll_into_view_if_needed()
            box, frame = reach.bounding_box(), figure.query_selector(".frame svg").bounding_box()
            assert box["width"] >= 43.5
            for to in ((0.1, 0.2), (0.9, 0.8), (0.5, 0.5)):
                before, box = state(figure), reach.bounding_box()
                page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
                page.mouse.down()
                page.mouse.move(frame["x"] + to[0] * frame["width"], frame["y"] + to[1] * frame["height"], steps=4)
                page.mouse.up()
                if state(figure) != before:
                    break
            else:
                raise AssertionError(f"dragging moves nothing in the picture of {state(figure)[0]!r}")
    for word in page.query_selector_all("article span[class^='t-'][tabindex]"):
        word.focus()
        assert word.evaluate("word => document.querySelectorAll(`.lit.${word.classList[0]}`).length") >= 2
    close_boxes(page)
    assert page.trouble == []


def predictions_are_answered_once_they_are_made(page):
    for question in page.query_selector_all(".predict"):
        answer, right = question.query_selector(".reveal"), question.query_selector_all(".right")
        assert not answer.is_visible() and len(right) == 1
        question.query_selector("input[type=radio]").focus()
        page.keyboard.press("Space")
        assert answer.is_visible() and right[0].inner_text() in answer.inner_text()


def test_a_question_answered_early_opens_its_picture(visit):
    """In chapter 4, whose pictures of the odd one and of Kahan's row wait for an answer: it may come before they do."""
    path = next((path for path in CHAPTERS if "/04_" in path), None)
    page = visit(path or pytest.skip("another chapter alone is built"))
    kept_back = lambda: [bool(re.search(r"\?", state(figure)[2])) for figure in live(page)]
    page.evaluate("document.querySelectorAll('.predict input').forEach((choice) => choice.click())")
    early = kept_back()
    page = visit(path)
    assert sum(kept_back()) == 2 and not any(early)


def test_a_finger_drags_a_handle(browser, book):
    """In the first picture of the book that has one."""
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page = context.new_page()
    for path in CHAPTERS:
        page.goto(f"{book}/{path}")
        figure = next((figure for figure in live(page) if figure.query_selector(".knobs g")), None)
        if figure:
            break
    figure.query_selector(".stage").scroll_into_view_if_needed()
    box, before = figure.query_selector(".knobs .reach").bounding_box(), state(figure)
    x, y, finger = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, context.new_cdp_session(page)
    touch = lambda kind, *points: finger.send(
        "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]}
    )
    page.evaluate("addEventListener('pointercancel', () => (window.lost = true))")
    touch("touchStart", (x, y))
    for step in range(1, 9):
        touch("touchMove", (x - 10 * step, y - 5 * step))
    touch("touchEnd")
    assert state(figure) != before
    assert not page.evaluate("window.lost"), "the page took the finger for its own"
    context.close()


def test_a_kept_column_is_dragged_as_it_is(visit):
    """In the photograph of chapter 4: a drag, even of 2 px, moves it, a click drops it, undo takes either back."""
    path = next((path for path in CHAPTERS if "/04_" in path), None)
    page = visit(path or pytest.skip("another chapter alone is built"))
    figure = live(page)[0]
    figure.query_selector(".frame").scroll_into_view_if_needed()
    box = figure.query_selector(".frame svg").bounding_box()
    kept = lambda: re.search(r"of number ([\d, ]*);", state(figure)[0])[1]
    x = lambda column: box["x"] + (column - 0.5) / 160 * 232 / 480 * box["width"]
    y = box["y"] + box["height"] / 3
    assert kept() == "17, 49, 81, 113, 145"
    page.mouse.move(x(49) + 6, y)
    page.mouse.down()
    for column, now in ((55, "17, 55, 81, 113, 145"), (61, "17, 61, 81, 113, 145")):
        page.mouse.move(x(column) + 6, y + 9, steps=4)
        assert kept() == now
    page.mouse.up()
    assert kept() == "17, 61, 81, 113, 145"
    page.mouse.click(x(113) - 6, y)
    assert kept() == "17, 61, 81, 145"
    for undone in ("17, 61, 81, 113, 145", "17, 49, 81, 113, 145"):
        figure.query_selector("button:text-is('undo')").click()
        assert kept() == undone
    for by in (2, 3):
        page.mouse.move(x(113), y)
        page.mouse.down()
        page.mouse.move(x(113) + by, y)
        page.mouse.up()
        assert len(kept().split(",")) == 5
    assert re.fullmatch("17, 49, 81, 11[4-7], 145", kept())
    assert page.trouble == []


def broken_terms_are_marked(page):
    marks = """() => {
        const seen = (kind) => [...document.querySelectorAll(kind)].filter((node) => node.checkVisibility()).length;
        return [document.querySelectorAll(".math .hurt").length, seen("p.check-pass"),
            seen("p.check-broken[role=status]")]}"""
    for button in page.query_selector_all("button.break"):
        button.evaluate("button => button.closest('.toggle-hidden')?.querySelector('.toggle-button').click()")
        said, (hurt, green, red) = button.text_content(), page.evaluate(marks)
        assert (hurt, red) == (0, 0)
        button.focus()
        page.keyboard.press("Enter")
        hurt, left, red = page.evaluate(marks)
        assert hurt >= 1 or not button.get_attribute("data-term"), said
        assert (left, red) == (green - 1, 1), said
        page.keyboard.press("Enter")
        assert page.evaluate(marks) == [0, green, 0] and button.text_content() == said
    close_boxes(page)
    assert page.trouble == []


def close_boxes(page):
    page.evaluate("document.querySelectorAll('.toggle:not(.toggle-hidden) > * > button').forEach((b) => b.click())")


def test_a_picture_whose_script_is_missing_says_so(visit):
    page = visit("book/intro.html")
    page.route("**/_static/pictures/*", lambda route: route.abort())
    page.goto(page.url.replace("book/intro.html", CHAPTERS[0]))
    figure = page.locator(".explore:has(.moving)").first
    figure.scroll_into_view_if_needed()
    figure.get_by_text("did not load: reload the page").wait_for()
    assert figure.locator(".frame svg").is_visible() and figure.locator("input").first.is_disabled()


def test_what_is_asked_of_a_picture_before_its_script_is_there_is_done(visit):
    page, held = visit("book/intro.html"), []
    page.route("**/_static/pictures/*", lambda route: held.append(route))
    page.goto(page.url.replace("book/intro.html", CHAPTERS[3]))
    figure = page.locator(".explore:has([data-step='1'])").first
    figure.scroll_into_view_if_needed()
    slider = figure.locator("input[type=range]").first
    before = int(slider.input_value())
    figure.locator("[data-step='1']").first.click()
    slider.focus()
    page.keyboard.press("ArrowRight")
    while held:
        held.pop().continue_()
    figure.and_(page.locator("[data-live]")).wait_for()
    assert int(slider.input_value()) == before + 1 and page.trouble == []


def sliders_move_the_picture(page):
    figures, sliders = live(page), 0
    assert all(see.bounding_box()["width"] <= 1 for see in page.locator(".see.unseen").all())
    for figure in figures:
        for slider in figure.query_selector_all("input[type=range]"):
            sliders += 1
            assert slider.evaluate("slider => slider.labels[0].textContent")
            now = lambda: [slider.get_attribute("aria-valuetext"), *state(figure)]  # noqa: B023
            slider.focus()
            page.keyboard.press("Home")
            first = now()
            page.keyboard.press("ArrowRight")
            second = now()
            assert all(a != b for a, b in zip(first[:3], second[:3], strict=True))
            box = slider.bounding_box()
            page.mouse.click(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
            third = now()
            assert all(a != b for a, b in zip(second[:3], third[:3], strict=True)) or slider.get_attribute("max") == "1"
            page.keyboard.press("Home")
            assert now() == first
            # The frame is there before the next one is painted.
            swapped = slider.evaluate("""s => {
                const frame = s.closest('.explore').querySelector('.frame'), before = frame.innerHTML;
                s.value = s.max;
                s.dispatchEvent(new Event('input', {bubbles: true}));
                return frame.innerHTML !== before}""")
            assert swapped
            page.keyboard.press("Home")
    assert sliders >= least(page, 2) and page.trouble == []


def every_figure_has_number_caption_and_alt_text(page):
    figures = page.query_selector_all("article figure")
    assert len(figures) >= least(page, 3)
    for figure in figures:
        words = figure.query_selector("figcaption").text_content().split()  # in a folded solution too
        assert words[0] == "Fig." and re.fullmatch(r"\d+\.\d+[a-z]*", words[1]) and len(words) >= 8, words
        assert "TODO" not in words
        assert figure.query_selector("svg[role=img]").get_attribute("aria-label")


def what_is_open_counts_on(page):
    """What is open is numbered without gaps, what is not has a letter; no open line checks what a box hides."""
    kinds = ".eqno", ".proof > .admonition-title > .caption-number", "figcaption .caption-number"
    for kind in kinds:
        numbers = page.evaluate(
            """kind => [...document.querySelectorAll(kind)].map((node) => {
                const box = node.closest(".dropdown, details");
                return [node.textContent.match(/\\d+\\.(\\w+)/)[1], Boolean(box)]})""",
            kind,
        )
        opened = [number for number, folded in numbers if not folded]
        assert opened == [str(n + 1) for n in range(len(opened))]
        assert all(re.fullmatch(r"\d+[a-z]+", number) for number, folded in numbers if folded)
    strangers = page.evaluate("""() => [...document.querySelectorAll("p.check-pass > a:first-of-type")]
        .filter((link) => !link.closest(".dropdown"))
        .map((link) => link.hash.slice(1))
        .filter((id) => document.getElementById(id).closest(".dropdown:not(.check)"))""")
    assert strangers == []


def page_fits_a_phone(page):
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        try:  # formulas are set smaller when their fonts are there and a frame has passed
            page.wait_for_function(f"() => !({CUT})().length", timeout=20_000)
        except TimeoutError:
            assert page.evaluate(CUT) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


# Numbers on formulas, and what is cut off where neither a finger nor a key can reach it.
CUT = """() => {
        const box = (node) => node.getBoundingClientRect(), bad = [];
        for (const number of document.querySelectorAll(".eqno")) {
            const a = box(number), b = box(number.parentElement.querySelector(".katex-display"));
            const beside = a.left >= b.right || b.left >= a.right || a.top > b.bottom - 1 || b.top >= a.bottom;
            if (!beside) bad.push("number on formula " + number.textContent);
        }
        for (const wide of document.querySelectorAll("article table, article pre, div.math > .katex-display")) {
            if (!wide.checkVisibility()) continue;
            const hidden = wide.scrollWidth > wide.clientWidth + 1, says = wide.textContent.slice(0, 60);
            if (box(wide).right > innerWidth) bad.push("past the edge: " + says);
            if (hidden && getComputedStyle(wide).overflowX !== "auto") bad.push("cut: " + says);
            if (hidden && wide.tabIndex < 0) bad.push("out of reach of keys: " + says);
        }
        return bad}"""


def one_switch_opens_all_code(page):
    folds = page.locator("details.code").count()
    assert folds >= least(page, 10) and page.evaluate(OPENED) == folds
    button = page.get_by_role("button", name="Code", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    assert page.evaluate(OPENED) == 0 and "code" not in page.url
    assert not page.locator("details.code pre").first.is_visible()
    button.click()
    assert page.evaluate(OPENED) == folds and page.url.endswith("?code=open")
    assert "code=open" in page.locator(".prev-next-area a").first.get_attribute("href")
    button.click()


def test_code_is_folded_first_and_stays_open_from_page_to_page(visit):
    page = visit(CHAPTERS[0])
    assert page.evaluate(OPENED) == 0 and not page.locator("details.code pre").first.is_visible()
    page.get_by_role("button", name="Code", exact=True).click()
    page.locator(f".prev-next-area a[href*='{posixpath.basename(CHAPTERS[1])}']").click()
    page.wait_for_url(f"**/{CHAPTERS[1]}?code=open")
    assert page.evaluate(OPENED) == page.locator("details.code").count() > 0
    broken_terms_are_marked(page)  # it looks for claims by links


@pytest.mark.parametrize("path", [CHAPTERS[0], "book/ledger.html"])
def test_paper_is_white(visit, path):
    """In the dark theme too; and code that would pass the edge is broken, tables and formulas are whole."""
    page = visit(path, 700, "dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    colours = page.evaluate("""() => {
        const { color } = getComputedStyle(document.querySelector("article p"));
        return [color, document.documentElement.dataset.theme]}""")
    assert colours[1] == "light" and max(map(int, re.findall(r"\d+", colours[0])[:3])) < 80
    cut = "[...document.querySelectorAll('article pre')].filter(p => p.scrollWidth > p.clientWidth + 1).length"
    assert page.evaluate(cut) == 0
    long = "[...document.querySelectorAll('article :is(table, .dropdown)')]"
    broken = f"{long}.every(part => getComputedStyle(part).breakInside === 'auto')"
    assert page.evaluate(broken)
    assert path not in CHAPTERS or page.locator("details.ledger summary").is_visible()
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_ledger_shows_one_chapter_or_one_kind(visit):
    page = visit("book/ledger.html")
    rows, shown = page.locator(".ledger-chapter tbody tr"), page.locator(".ledger-filter output")
    everything = rows.count()
    page.get_by_label("Kind").select_option("broken variant")
    page.get_by_label("Chapter").select_option(index=1)
    data = json.loads((HTML / "ledger.json").read_text("utf-8"))
    first = [check for claim in data["claims"] if claim["chapter"] in CHAPTERS[0] for check in claim["checks"]]
    number = sum(check["kind"] == "broken variant" for check in first)
    assert shown.text_content() == f"{number} rows" and rows.filter(visible=True).count() == number < everything
    last = page.locator("[id^=ledger-]").last
    assert not last.is_visible()
    page.evaluate("id => { location.hash = id }", last.get_attribute("id"))
    last.wait_for()
    assert shown.text_content() == f"{everything} rows"


def chapter_weighs_little(page):
    page.wait_for_load_state("networkidle")
    sizes = {url: len(gzip.compress(request.response().body())) for url, request in list(page.bodies.items())}
    assert sum(sizes.values()) <= 1_200_000, json.dumps(sizes, indent=1)


def test_theme_button_changes_the_theme(visit):
    page = visit("book/intro.html")
    seen = {page.evaluate("document.documentElement.dataset.theme")}
    for _ in range(2):
        page.locator(".theme-switch-button:visible").first.click()
        seen.add(page.evaluate("document.documentElement.dataset.theme"))
    assert seen == {"light", "dark"}


def links_open_folds(page):
    """Each place in a closed box that a link outside of it names, while the box is closed."""
    folded = (
        "document.querySelectorAll('.toggle-hidden > :not(.admonition-title) [id]:is(.proof, .exercise, div.math)')"
    )
    links = (
        f"""() => [...{folded}].map((place) => place.id).filter((id) => document.querySelector(`a[href="#${{id}}"]`))"""
    )
    for place in page.evaluate(links):
        page.evaluate("(id) => document.querySelector(`a[href='#${id}']`).click()", place)
        page.wait_for_function("(id) => document.getElementById(id).checkVisibility()", arg=place)
    close_boxes(page)
    page.evaluate("history.replaceState(null, '', location.pathname)")


def solutions_are_folded_and_open(page):
    solutions = page.query_selector_all(".solution")
    exercises = page.query_selector_all("div.exercise")
    assert len(solutions) == len(exercises) >= least(page, 4), "an exercise lacks its solution"
    for solution in solutions:
        inside = solution.query_selector("p:not(.admonition-title, details *)")
        assert not inside.is_visible()
        solution.query_selector("button.toggle-button").click()
        assert inside.is_visible()
    assert page.trouble == []


def survey(page):
    """Let the translator of chapter 8 loose on a page: how many formulas there are, what it garbled, what it left."""
    page.add_script_tag(content=SURVEY, type="module")
    page.wait_for_function("!!window.survey")  # without !! it would be called, and called again below
    return page.evaluate("survey()")


def page_survives_translation(page):
    seen = survey(page)
    assert (seen["garbled"], seen["untranslated"]) == ([], []) and seen["sentences"] > 10


def no_raw_tex_outside_of_formulas(page):
    """Not in the title, in alternative texts, or in tables of contents."""
    texts = page.evaluate("""() => {
        const labels = document.querySelectorAll("[alt], [aria-label], [title]");
        const own = [...labels].filter((node) => !node.closest("mjx-container, .katex"));
        return [document.title, ...[...document.querySelectorAll("nav, h1, h2, h3, figcaption")].map((node) => {
            const copy = node.cloneNode(true);
            copy.querySelectorAll(".math").forEach((formula) => formula.remove());
            return copy.textContent}),
            ...own.flatMap((node) => ["alt", "aria-label", "title"].map((name) => node.getAttribute(name) ?? ""))]}""")
    assert [text for text in texts if re.search(r"\\[(\[a-zA-Z]|\$", text)] == []


@pytest.fixture
def play(visit):
    """Press the buttons of the demonstration of chapter 8 until it says something."""
    page = visit(CHAPTER_8)

    def play(says, protection=False):
        box = page.locator(".translate-demo")
        box.get_by_role("checkbox", name="protection").set_checked(protection)
        box.get_by_role("button", name="Start again").click()
        box.get_by_role("button", name="Load more").click()
        box.get_by_role("status").filter(has_text=says).wait_for()

    yield play
    assert page.trouble == []


def test_the_demonstration_shows_the_race(play):
    play("formula garbled, prose translated")
    play("formula whole, prose translated", protection=True)


@pytest.mark.parametrize("word", ["recurrence", "softmax", "matrix", "translator", "attention"])
def test_search_finds_chapters_and_shows_their_text(visit, word):
    """Without raw TeX and without the tools of the page."""
    page = visit(f"search.html?q={word}")
    page.wait_for_function("document.querySelectorAll('#search-results li p.context').length")
    page.wait_for_timeout(1000)  # the other excerpts
    results = page.locator("#search-results").text_content()
    assert "Attention as a quadratic-time RNN" in results or word not in ("recurrence", "attention")
    assert not re.search(r"\\[(\[a-zA-Z]|\$", results), results
    assert ".ipynb" not in results and "Contents" not in results


def test_the_front_page_shows_the_book(visit):
    page = visit("book/intro.html")
    cards = page.locator(".cards li")
    assert cards.count() == len(CHAPTERS)
    for n in range(cards.count()):
        cards.nth(n).locator("img").scroll_into_view_if_needed()
        assert cards.nth(n).locator("a").get_attribute("href").endswith(CHAPTERS[n].removeprefix("notebooks/"))
    assert re.search(r"\d{3} claims, [\d,]+ comparisons, and \d+ variants", page.locator("article").inner_text())
    assert page.locator("p.check-pass").inner_text().startswith("✓") and page.locator(".eqno").count() == 0
    for card in (HTML / "_static/cards").glob("*.svg"):  # they do not see the page's styles
        used, named = (set(re.findall(what, card.read_text("utf-8"))) for what in (r"var\(--t-(\w+)", r"--t-(\w+):"))
        assert used <= named
    assert page.trouble == []


def test_the_archive_opens_from_a_disk(browser, tmp_path):
    """Without a network: nothing is missing, a picture moves, the demonstration runs, search lists results."""
    with ZipFile(HTML / "derive-then-check.zip") as archive:
        archive.extractall(tmp_path)
    context = browser.new_context(offline=True)
    page, trouble = context.new_page(), []
    page.on("console", lambda m: m.type in ("error", "warning") and trouble.append(f"{page.url}: {m.text}"))
    visit = lambda path: page.goto(f"{(tmp_path / 'derive-then-check' / path).as_uri()}?q=recurrence")
    visit(CHAPTER_8)
    slider = page.locator("article input[type=range]").first
    slider.scroll_into_view_if_needed()
    before = page.locator(".stage .frame").first.inner_html()
    slider.press("End" if slider.input_value() == "0" else "Home")
    page.wait_for_function("before => document.querySelector('.stage .frame').innerHTML !== before", arg=before)
    page.get_by_role("button", name="Load more").click()
    page.get_by_role("status").filter(has_text="formula garbled, prose translated").wait_for()
    visit("search.html")
    page.wait_for_selector("#search-results li a")
    context.close()
    assert trouble == []
