"""The built book in three engines: Chromium, Firefox, WebKit. `make browsers` runs this; `make test` does not.

So is the module notranslate-math, as npm installs it, with every formula engine.

Selenium drives Chromium and WebKit. Debian has no geckodriver, so Firefox is spoken to in its own WebDriver BiDi.
A copy of the book is served, with two things in each page that work in every engine: a script that notes what goes
wrong, and a policy that allows no other host. A phone is a frame 390 pixels wide: no window of Firefox is so narrow.
"""

import json
import os
import shutil
import subprocess
import threading
import time

import pytest
import websocket
from conftest import HTML
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from test_notranslate_math import ENGINES
from test_pages import CHAPTERS, CUT, PAGES

from helpers import translation
from helpers.browser import FLAGS, ROOT, find, serve

PHONE = "<script>document.write(`<iframe width=390 height=800 src=${location.search.slice(1)}></iframe>`)</script>"
WATCH = """<head>
<meta http-equiv="Content-Security-Policy" content="default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:">
<script>{
    window.trouble = [];
    // page.js sets a formula smaller just before it is painted. That this changes its box once more is harmless.
    const note = (what) => /^ResizeObserver loop/.test(what) || trouble.push(what);
    addEventListener("error", (e) => note(e.message ?? `not loaded: ${e.target.src ?? e.target.href}`), true);
    addEventListener("unhandledrejection", (e) => trouble.push(`rejected: ${e.reason}`));
    addEventListener("securitypolicyviolation", (e) => trouble.push(`another host: ${e.blockedURI}`));
    for (const kind of ["error", "warn"]) console[kind] = (...words) => trouble.push(`console: ${words.join(" ")}`);
}</script>"""


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "html"
    shutil.copytree(HTML, folder)
    for page in folder.rglob("*.html"):
        page.write_text(page.read_text("utf-8").replace("<head>", WATCH, 1), "utf-8")
    (folder / "phone.html").write_text(PHONE, "utf-8")
    with serve(folder) as address:
        yield address


def program(package, *names):
    """The path of the first of these programs; if there is none, the run ends and says what to install."""
    path = next(filter(None, map(shutil.which, names)), None)
    return path or pytest.exit(f"No {' or '.join(names)} here. On Debian: apt-get install {package}", returncode=1)


def drag(start, to):
    """What WebDriver is told, in both of its forms, to drag from a place of the window to another."""
    move = lambda place, ms: {"type": "pointerMove", "x": round(place[0]), "y": round(place[1]), "duration": ms}
    steps = [move(start, 0), {"type": "pointerDown", "button": 0}, move(to, 200), {"type": "pointerUp", "button": 0}]
    return [{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": steps}]


class Driven:
    def __init__(self, driver):
        self.driver, self.open = driver, driver.get
        driver.set_window_size(1280, 1000)

    def run(self, function):
        return self.driver.execute_script(f"return ({function})()")

    def press(self, key):
        ActionChains(self.driver).send_keys(key).perform()

    def drag(self, start, to):
        self.driver.execute("actions", {"actions": drag(start, to)})


class Firefox:
    """The methods of `Driven`."""

    def __init__(self, address):
        self.socket = websocket.create_connection(address, timeout=60, suppress_origin=True)
        self.send("session.new", capabilities={})
        # A tab of our own: in the one that is there, buttons do not hear the keys.
        self.tab = self.send("browsingContext.create", type="tab")["context"]
        self.send("browsingContext.setViewport", context=self.tab, viewport={"width": 1280, "height": 900})

    def send(self, method, **params):
        self.socket.send(json.dumps({"id": 1, "method": method, "params": params}))
        answer = json.loads(self.socket.recv())  # one at a time: no events are subscribed to
        assert answer["type"] == "success", answer
        return answer["result"]

    def open(self, url):
        self.send("browsingContext.navigate", context=self.tab, url=url, wait="complete")

    def run(self, function):
        code = f"Promise.resolve(({function})()).then(JSON.stringify)"
        answer = self.send("script.evaluate", expression=code, target={"context": self.tab}, awaitPromise=True)
        assert answer["type"] == "success", answer
        return json.loads(answer["result"].get("value", "null"))

    def press(self, key):
        keys = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self.send("input.performActions", context=self.tab, actions=[{"type": "key", "id": "keys", "actions": keys}])

    def drag(self, start, to):
        self.send("input.performActions", context=self.tab, actions=drag(start, to))


@pytest.fixture(scope="session", params=["chromium", "firefox", "webkit"])
def engine(request, tmp_path_factory):
    def start(*command, **pipe):
        process = subprocess.Popen(command, text=True, **pipe)
        request.addfinalizer(lambda: process.terminate() or process.wait())
        return process

    if request.param == "firefox":
        command = program("firefox-esr", "firefox-esr", "firefox"), "--headless", "--no-remote", "--profile"
        process = start(*command, tmp_path_factory.mktemp("p"), "--remote-debugging-port=0", stderr=subprocess.PIPE)
        address = next((line.split()[-1] for line in process.stderr if "WebDriver BiDi listening on" in line), None)
        assert address, "Firefox does not start"
        threading.Thread(target=process.stderr.read, daemon=True).start()
        return Firefox(f"{address}/session")
    if request.param == "chromium":
        options = webdriver.ChromeOptions()
        options.binary_location = find()
        for flag in FLAGS:
            options.add_argument(flag)
        driver = webdriver.Chrome(options, webdriver.ChromeService(program("chromium-driver", "chromedriver")))
    else:
        path = program("webkit2gtk-driver", "WebKitWebDriver")
        screen = start(program("xvfb", "Xvfb"), "-displayfd", "1", stdout=subprocess.PIPE).stdout.readline().strip()
        service = webdriver.WebKitGTKService(path, env={**os.environ, "DISPLAY": f":{screen}"})
        driver = webdriver.WebKitGTK(service=service)
    request.addfinalizer(driver.quit)
    return Driven(driver)


# Formulas that are not seen, or in both of their forms; fonts that failed; whether formulas have theirs; trouble.
FORMULAS = """() => {
    document.querySelectorAll("details").forEach((fold) => (fold.open = true));
    document.querySelectorAll(".toggle-hidden").forEach((fold) => fold.classList.remove("toggle-hidden"));
    document.querySelectorAll(".predict input").forEach((option) => option.click());
    const formulas = [...document.querySelectorAll(".math")].filter((node) => !node.closest(".translate-demo"));
    const box = (node, part) => node.querySelector(`.katex > .katex-${part}`)?.getBoundingClientRect() ?? new DOMRect();
    const area = (...what) => box(...what).width * box(...what).height;
    const bad = formulas.filter((node) => !area(node, "html") || area(node, "mathml") > 1.1);
    const fonts = (status) => [...document.fonts].filter((font) => font.status === status).map((font) => font.family);
    const ready = () => !formulas.length || fonts("loaded").some((name) => name.includes("KaTeX_M"));
    return document.fonts.ready.then(() => [bad.map((node) => node.textContent), fonts("error"), ready(), trouble])}"""


@pytest.mark.parametrize("path", PAGES)
def test_page_is_whole(engine, site, path):
    engine.open(f"{site}/{path}")
    assert engine.run(FORMULAS) == [[], [], True, []]


@pytest.mark.parametrize("path", PAGES)
def test_page_fits_a_phone(engine, site, path):
    engine.open(f"{site}/phone.html?{path}")
    # Formulas are set smaller a frame later.
    engine.run("() => frames[0].document.fonts.ready.then(() => new Promise((done) => setTimeout(done, 300)))")
    width, needed = engine.run("() => [frames[0].innerWidth, frames[0].document.documentElement.scrollWidth]")
    assert width == 390 >= needed
    assert engine.run(f"() => [...frames[0].eval({json.dumps(CUT)})(), ...frames[0].trouble]") == []


@pytest.mark.parametrize("path", CHAPTERS)
def test_code_and_solutions_open(engine, site, path):
    engine.open(f"{site}/{path}")
    opened = lambda: engine.run("() => [...document.querySelectorAll('details.code')].map((fold) => fold.open)")
    assert len(opened()) >= 10
    engine.run("() => document.querySelector('.code-switch').focus()")
    for state in (True, False):
        engine.press(Keys.ENTER)
        assert set(opened()) == {state}
    seen = lambda: engine.run("""() => [...document.querySelectorAll(".solution")].map((box) =>
        box.querySelector("p:not(.admonition-title, details *)").checkVisibility({ visibilityProperty: true }))""")
    assert len(seen()) >= 4 and not any(seen())
    for n in range(len(seen())):
        engine.run(f"() => document.querySelectorAll('.solution button.toggle-button')[{n}].focus()")
        engine.press(Keys.ENTER)
    assert all(seen()) and engine.run("() => trouble") == []


def live(engine):
    """Bring each picture that moves near, until it does."""
    for n in range(engine.run("() => document.querySelectorAll('.moving').length")):
        picture = f"document.querySelectorAll('.moving')[{n}].closest('.explore')"
        engine.run(f"() => {picture}.closest('.toggle-hidden')?.querySelector('.toggle-button').click()")
        engine.run(f"() => {picture}.scrollIntoView()")
        deadline = time.monotonic() + 20
        while not engine.run(f"() => 'live' in {picture}.dataset"):
            assert time.monotonic() < deadline, f"picture {n} does not come to life"
            time.sleep(0.1)


@pytest.mark.parametrize("path", CHAPTERS)
def test_handles_terms_and_questions(engine, site, path):
    engine.open(f"{site}/{path}")
    live(engine)
    for n in range(engine.run("() => document.querySelectorAll('.knobs g').length")):
        knob = f"document.querySelectorAll('.knobs g')[{n}]"
        shown = f"() => {knob}.closest('.explore').querySelector('.frame').innerHTML"
        engine.run(f"() => {knob}.closest('.stage').scrollIntoView({{ block: 'center' }})")
        middle = f"""() => {{
            const box = {knob}.querySelector('.reach').getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2]}}"""
        frame = f"""() => {{
            const box = {knob}.closest('.explore').querySelector('.frame svg').getBoundingClientRect();
            return [box.x, box.y, box.width, box.height]}}"""
        before, (x, y, width, height) = engine.run(shown), engine.run(frame)
        for to in ((0.1, 0.2), (0.9, 0.8), (0.5, 0.5)):
            engine.drag(engine.run(middle), (x + to[0] * width, y + to[1] * height))
            if engine.run(shown) != before:
                break
        assert engine.run(shown) != before
    for n in range(engine.run("() => document.querySelectorAll('article span[class^=t-][tabindex]').length")):
        word = f"document.querySelectorAll('article span[class^=t-][tabindex]')[{n}]"
        assert engine.run(f"() => {{ {word}.focus(); return document.querySelectorAll('.lit').length }}") >= 2
    buttons = """document.querySelectorAll('button.break:not([data-term=""])')"""
    for n in range(engine.run(f"() => {buttons}.length")):
        press = f"""() => {{
            {buttons}[{n}].click();
            return document.querySelectorAll('.hurt').length}}"""
        assert engine.run(press) >= 1 and engine.run(press) == 0
    seen = "() => [...document.querySelectorAll('.reveal')].map((answer) => answer.checkVisibility())"
    assert not any(engine.run(seen))
    engine.run("() => document.querySelectorAll('.predict label:last-of-type input').forEach((one) => one.click())")
    assert all(engine.run(seen))
    assert engine.run("() => trouble") == []


@pytest.mark.parametrize("path", CHAPTERS)
def test_sliders_move_the_picture(engine, site, path):
    engine.open(f"{site}/{path}")
    sliders = "document.querySelectorAll('.explore input[type=range]')"
    live(engine)
    state = """() => {
        const slider = document.activeElement, picture = slider.closest(".explore").querySelector(".frame svg");
        return [picture.innerHTML, picture.ariaLabel, slider.ariaValueText, slider.nextElementSibling.textContent]}"""
    count = engine.run(f"() => {sliders}.length")
    assert count >= 2
    for n in range(count):
        engine.run(f"() => {sliders}[{n}].focus()")
        states = []
        for key in (Keys.HOME, Keys.ARROW_RIGHT, Keys.HOME):
            engine.press(key)
            states.append(engine.run(state))
        assert states[0] == states[2] and all(a != b for a, b in zip(*states[:2], strict=True))
    assert engine.run("() => trouble") == []


def test_theme_button_changes_the_theme(engine, site):
    engine.open(f"{site}/book/intro.html")
    seen = []
    for _ in range(3):  # light, dark, that of the system; the button gives up the focus each time
        engine.run("() => [...document.querySelectorAll('.theme-switch-button')].find((b) => b.offsetParent).focus()")
        engine.press(Keys.ENTER)
        seen.append(engine.run("() => document.documentElement.dataset.theme"))
    assert set(seen) == {"light", "dark"}


LAB = """async () => {
    for (let n = 0; n < 500 && !window.lab?.ready; n++) await new Promise((done) => setTimeout(done, 20));
    await lab.start("%s", null, {}, false);
    const orders = JSON.parse('%s');
    const good = await lab.schedules(orders);
    const [bare, marked] = [await lab.damage("texts"), await lab.damage("pieces", "class")];
    return [good, bare, marked, await lab.arrival("reverse", "timer")];
}"""


@pytest.mark.parametrize("formulas", translation.ENGINES)
def test_chapter_8_holds_here_too(engine, formulas):
    """What Chromium's record says of the recipe of one engine, of every tenth order, and of the marks."""
    record = translation.load(ROOT / "notebooks" / "08_mathjax.json")[formulas]["orders"]
    some = [0, *range(3, 120, 10)]
    with serve() as address:
        engine.open(f"{address}/tests/engines/chapter.html")
        orders = json.dumps([translation.ORDERS[k] for k in some])
        good, bare, marked, late = engine.run(LAB % (formulas, orders))
    assert [translation.pack(outcomes) for outcomes in good] == [record[k] for k in some]
    assert sum(one[0] for one in bare) == (0 if formulas == "mathjax4-svg" else 5)
    assert [sum(one) for one in zip(*marked, strict=True)] == [0, 0, 0, 5]
    assert late == [5, 5, 5]


@pytest.mark.parametrize("formulas", ENGINES)
def test_notranslate_math(engine, laboratory, formulas):
    engine.open(laboratory)
    deadline = time.monotonic() + 20
    while not engine.run("() => Boolean(window.lab && window.trials)"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    engine.run(f"() => trials.start('{formulas}')")
    names = engine.run("() => trials.names")
    assert len(names) >= 17
    assert [engine.run(f"() => trials.run([{json.dumps(name)}])") for name in names] == [[]] * len(names)
