"""notranslate-math in a real browser, minified as npm installs it, with every engine that it is for."""

import gzip
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.browser import ROOT

ENGINES = ["mathjax2-html", "mathjax2-chtml", "mathjax2-svg", "mathjax3-chtml", "mathjax3-svg"]
ENGINES += ["mathjax4-chtml", "mathjax4-svg", "katex"]
MODULE = ROOT / "notranslate-math/notranslate-math.js"
ARRIVE = """async (block, insert, pause) => {
    const ready = new Promise((done) => block.addEventListener("notranslate-math", done));
    await pause();
    insert(block);
    await ready;
}"""


@pytest.fixture(scope="session")
def context(browser):
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def lab(context, laboratory):
    """lab(engine, guard, speech, **options): a page with an engine, protected "before" or "after" it is loaded, or not.

    Without speech MathJax 4 is twenty times as fast.
    """
    pages = []

    def open_(engine, guard=None, speech=False, **options):
        page = context.new_page()
        pages.append(page)
        page.said = []
        page.on("console", lambda m: m.type in ("error", "warning") and page.said.append(m.text))
        page.on("pageerror", lambda e: page.said.append(str(e)))
        page.on(
            "request",
            lambda r: (
                r.url.startswith((laboratory.partition("/tests")[0], "blob:", "data:")) or page.said.append(r.url)
            ),
        )
        page.goto(laboratory)
        page.wait_for_function("window.lab")
        page.evaluate("(args) => lab.start(...args)", [engine, guard, options, speech])
        return page

    yield open_
    for page in pages:
        page.close()


def sound(verdicts):
    """True, or the first blocks that are not typeset, whole and translated."""
    bad = [(n, v) for n, v in enumerate(verdicts) if not (v["typeset"] and v["whole"] and v["translated"])]
    return bad[:3] or len(verdicts) > 0


def node(folder, code):
    program = shutil.which("node", path=Path(sys.executable).parent) or shutil.which("node")
    command = [program, "--input-type=module", "--eval", code]
    return subprocess.run(command, cwd=folder, capture_output=True, check=True, text=True).stdout.split()


def test_the_tarball(package):
    """What a site gets: the files that package.json names, which load where there is no page, too."""
    home = package / "node_modules/notranslate-math"
    manifest = json.loads((home / "package.json").read_text("utf-8"))
    files = {path.name for path in home.iterdir()}
    assert files == {*manifest["files"], "package.json", "README.md", "LICENSE"}
    assert (home / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    for kind in ("", "/min"):
        code = f"import {{ protect }} from 'notranslate-math{kind}'; console.log(typeof protect)"
        assert node(package, code) == ["function"]
        assert manifest["exports"]["." + kind]["types"][2:] in files
    source = (home / "notranslate-math.js").read_text("utf-8")
    assert source.startswith(f"/*! notranslate-math {manifest['version']}:")
    assert f"## {manifest['version']}\n" in (home / "CHANGELOG.md").read_text("utf-8")


def test_size_is_as_told(package):
    home = package / "node_modules/notranslate-math"
    code = (home / "notranslate-math.min.js").read_bytes()
    sizes = len(code) / 1000, len(gzip.compress(code, 9)) / 1000
    told = re.search(r"([\d.]+) kB minified, ([\d.]+) kB with gzip", (home / "README.md").read_text("utf-8"))
    assert [float(size) for size in told.groups()] == pytest.approx(sizes, abs=0.1)
    assert sizes[0] < 12.5 and sizes[1] < 5.5


def test_types_readme_and_code_name_the_same_options():
    home = ROOT / "notranslate-math"
    code, types, readme = (
        (home / name).read_text("utf-8") for name in (MODULE.name, "notranslate-math.d.ts", "README.md")
    )
    body = re.search(r"export function protect\(.*", code, re.S)[0]
    read = re.search(r"const \{ (.*?) \} = options;\n.*?let \{ (.*?) \} = options", body, re.S)
    options = {re.match(r"\w+", part)[0] for part in ", ".join(read.groups()).split(", ")}
    declared = re.search(r"interface Options \{(.*?)\n\}", types, re.S)[1]
    assert options == set(re.findall(r"^  (\w+)\?:", declared, re.M))
    assert options == set(re.findall(r"^\| `(\w+)` \|", readme, re.M))
    methods = re.search(r"\n  return \{ (.*?) \};\n\}\n$", code)[1].split(", ")
    declared = re.search(r"interface Guard \{(.*?)\n\}", types, re.S)[1]
    assert methods == re.findall(r"^  (\w+)[(<]", declared, re.M)
    assert set(methods) == set(re.findall(r"^\| `(\w+)\(", readme, re.M))


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine.endswith(("chtml", "katex"))])
def test_trials(context, laboratory, engine):
    """Everything in tests/engines/trials.js; `make browsers` tries all outputs, in Firefox and WebKit, too."""
    page = context.new_page()
    page.goto(laboratory)
    page.wait_for_function("window.lab && window.trials")
    loaded = page.evaluate("performance.getEntriesByType('resource').map((file) => file.name)")
    assert [url.rpartition("/")[2] for url in loaded if "/notranslate-math" in url] == ["notranslate-math.min.js"]
    page.evaluate("(engine) => trials.start(engine)", engine)
    assert page.evaluate("trials.names.length") >= 17
    assert page.evaluate("trials.run()") == []
    page.close()


@pytest.mark.parametrize("guard, n, attributes", [("before", 200, True), ("after", 50, True), ("after", 50, False)])
@pytest.mark.parametrize("engine", ENGINES)
def test_no_race_is_lost(lab, engine, guard, n, attributes):
    """Blocks at random times, each met after 0 to 500 ms by a translator, which may see insertions only."""
    page = lab(engine, guard, timeout=60_000)
    race = f"([n, attributes]) => lab.race({ARRIVE}, {{ n, attributes, seed: n, spread: 300, pause: 200 }})"
    assert sound(page.evaluate(race, [n, attributes])) is True
    assert page.said == []


@pytest.mark.parametrize("engine", ENGINES)
def test_guarded_before_insertion_nothing_is_early_enough(lab, engine):
    """A translator that rewrites in its observer's own callback, and was there first."""
    page = lab(engine)
    verdicts = page.evaluate("""async () => {
        const translator = lab.translate(lab.page, {delay: () => null});
        const guard = lab.protect({root: lab.page});
        const blocks = Array.from({length: 10}, (_, n) => lab.make(n));
        for (const block of blocks) {
            lab.page.append(guard.hold(block));
            await guard.typeset(block);
        }
        translator.visit();
        return blocks.map(lab.verdict)}""")
    assert sound(verdicts) is True
    assert page.said == []


@pytest.mark.parametrize("guard", ["before", "after"])
@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine[:8] in ("mathjax3", "mathjax4")])
def test_output_is_marked_before_it_is_inserted(lab, engine, guard):
    page = lab(engine, guard)
    seen = page.evaluate("""async () => {
        const seen = [];
        customElements.define("mjx-container", class extends HTMLElement {
            connectedCallback() { seen.push([this.className.includes("notranslate"), this.translate]) }});
        const block = lab.make(1);
        block.classList.add("notranslate");  // the guard keeps out of it
        lab.page.append(block);
        await lab.typeset(block);
        return seen}""")
    assert seen and all(entry == [True, False] for entry in seen)


@pytest.mark.parametrize("engine", ENGINES)
def test_marked_by_the_server(lab, engine):
    """The translator has long been there when the module comes."""
    page = lab(engine)
    verdicts = page.evaluate("""async () => {
        const translator = lab.translate(lab.page, {delay: () => 0, attributes: false});
        const blocks = [0, 1, 2].map(lab.make);
        for (const block of blocks) {
            block.className = "notranslate";
            block.translate = false;
            block.dataset.untilTypeset = "";
        }
        lab.page.append(...blocks);
        await lab.sleep(50);
        const touched = lab.page.querySelectorAll("font").length;
        lab.protect({root: lab.page});
        await lab.released(blocks);
        await lab.sleep(50);
        return touched ? [] : blocks.map(lab.verdict)}""")
    assert sound(verdicts) is True
    assert page.evaluate("lab.page.firstChild.getAttributeNames()") == ["id", "data-formula"]


STATE = """() => ({
    text: lab.page.innerText,
    copied: (getSelection().selectAllChildren(lab.page), getSelection().toString()),
    boxes: [...lab.page.querySelectorAll("*")].map((e) => JSON.stringify(e.getBoundingClientRect())),
    stops: [...lab.page.querySelectorAll("*")].filter((e) => e.tabIndex >= 0).length})"""


def tree(page):
    """What assistive technology is given."""
    page.wait_for_timeout(300)  # MathJax 4 asks a worker for its speech
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    return [(n["role"]["value"], n.get("name", {}).get("value")) for n in nodes if not n["ignored"]]


@pytest.mark.parametrize("engine", ENGINES)
def test_reading_copying_and_printing_stay_as_they_were(lab, engine):
    page, seen = lab(engine, speech=True), []
    for guard in (False, False, True):
        page.emulate_media(media="screen")
        page.evaluate(
            """async (guard) => {
            const blocks = [0, 1, 2, 3, 4].map(lab.make);
            if (guard) lab.protect({root: lab.page});
            lab.page.replaceChildren(...blocks);
            await (guard ? lab.released(blocks) : lab.typeset(...blocks));
            await document.fonts.ready}""",
            guard,
        )
        screen = page.evaluate(STATE)
        page.emulate_media(media="print")
        seen.append((screen, page.evaluate(STATE), tree(page)))
    assert seen[1] == seen[2]  # the first time round the fonts were still to come


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine != "katex"])
def test_typesetting_again(lab, engine):
    page = lab(engine, "after")
    seen = page.evaluate("""async () => {
        const document = window.MathJax.startup?.document;
        const again = (done) =>
            !document ? MathJax.Hub.Queue(["Rerender", MathJax.Hub, lab.page], done)
            : document.rerenderPromise ? document.rerenderPromise().then(done) : done(document.rerender());
        const blocks = [0, 1, 4].map(lab.make);
        lab.page.append(...blocks);
        await lab.released(blocks);
        await new Promise(again);
        lab.translate(lab.page, {delay: () => Infinity}).visit();
        const count = (block) => block.querySelectorAll("[data-mathml], mjx-container").length;
        return [blocks.map(lab.verdict), blocks.map(count)]}""")
    assert sound(seen[0]) is True and seen[1] == [1, 1, 1]


def test_releasing_moves_no_element(lab):
    """Focus, selection, scroll positions, frames and what a framework holds on to stay."""
    page = lab("mathjax3-chtml")
    page.evaluate("""async () => {
        const block = lab.make(0);
        block.innerHTML += '<input value="typed"><iframe srcdoc="x"></iframe>' +
            '<span style="display:block;height:2em;overflow:auto">a<br>b<br>c<br>d</span>';
        const guard = lab.protect({root: lab.page, late: false});
        lab.page.append(guard.hold(block));
        const [first, input, frame, box] = [block.firstChild, ...block.querySelectorAll("input, iframe, span")];
        await new Promise((done) => (frame.onload = done));
        frame.contentWindow.mine = 1;
        input.focus();
        box.scrollTop = 20;
        input.setSelectionRange(1, 3);
        await guard.typeset(block);
        window.seen = [document.activeElement === input, input.selectionStart, frame.contentWindow.mine, box.scrollTop,
                       block.firstChild === first]}""")
    assert page.evaluate("seen") == [True, 1, 1, 20, True]


def test_selection_stays(lab):
    page = lab("mathjax3-chtml")
    selected = page.evaluate("""async () => {
        const block = lab.make(0);
        const guard = lab.protect({root: lab.page, late: false});
        lab.page.append(guard.hold(block));
        getSelection().setBaseAndExtent(block.firstChild, 2, block.firstChild, 8);
        await guard.typeset(block);
        return getSelection().toString()}""")
    assert selected == "fore i"


@pytest.mark.parametrize("engine, guard", list(zip(ENGINES, ["before", "after"] * 4, strict=True)))
def test_undo(lab, engine, guard):
    page = lab(engine, guard)
    left = page.evaluate("""async () => {
        const [first, held, later] = [0, 1, 2].map(lab.make);
        lab.page.append(first);
        await lab.released([first]);
        held.className = "mine";
        held.translate = true;
        lab.page.append(lab.protection.hold(held));
        lab.protection.undo();
        lab.page.append(later);
        await lab.typeset(held, later);
        return [lab.page.querySelectorAll(".notranslate, [translate=no]").length, held.className, held.translate,
                lab.page.querySelectorAll(lab.FORMULA).length >= 3, first.getAttributeNames()]}""")
    assert left == [0, "mine", True, True, ["id", "data-formula"]]
    assert page.said == []


FAIL = """async ([options, tex]) => {
    if (options.typeset) options.typeset = eval(options.typeset);
    const guard = lab.protect({root: lab.page, late: false, ...options});
    const block = lab.make(1);
    if (tex) block.lastChild.data = block.lastChild.data.replace(/\\\\\\(.*?\\\\\\)/, () => tex);
    const before = block.textContent;
    lab.page.append(guard.hold(block));
    const done = await guard.typeset(block);
    const same = block.textContent === before;
    const translator = lab.translate(lab.page, {delay: () => Infinity});
    translator.visit();
    const raw = [...block.querySelectorAll("span.notranslate")].map((s) => s.textContent);
    const fonts = block.querySelectorAll("font font").length;
    return [done, same, raw.length === 1 && before.includes(raw[0]), fonts, block.matches(".notranslate")]}"""


@pytest.mark.parametrize(
    "options, said",
    [
        ({"engine": "latexit"}, 'there is no engine "latexit"'),
        ({"engine": "katex", "timeout": 100}, "more than 100 ms"),
        ({"typeset": "() => Promise.reject(Error('out of ink'))"}, "out of ink"),
        ({"typeset": "() => { throw Error('out of ink') }"}, "out of ink"),
        ({"typeset": "() => new Promise(() => {})", "timeout": 100}, "more than 100 ms"),
    ],
)
def test_where_typesetting_fails_nothing_is_lost(lab, options, said):
    page = lab("mathjax3-chtml")
    done, same, raw, fonts, held = page.evaluate(FAIL, [options, None])
    assert (done, same, raw, held) == (False, True, True, False) and fonts >= 4
    assert page.said and all(line.startswith("notranslate-math: ") for line in page.said)
    assert said in page.said[-1] and '<p id="block-1">' in page.said[-1]


def test_a_formula_that_cannot_be_parsed_stays_raw(lab):
    page = lab("katex")
    done, same, raw, fonts, held = page.evaluate(FAIL, [{}, r"\(\frac{1}{\)"])
    assert (done, same, raw, held) == (True, True, True, False) and fonts >= 4


def test_an_element_that_is_not_in_the_document(lab):
    page = lab("mathjax3-chtml")
    seen = page.evaluate("""async () => {
        const guard = lab.protect({root: lab.page});
        const [away, here] = [lab.make(0), lab.make(1)];
        lab.page.append(guard.hold(here));
        const done = await guard.typeset(away, here, "none");
        guard.hold(null);
        guard.release(document.body);
        return [done, away.isConnected, away.matches(".notranslate"),
                [away, here].map((block) => Boolean(block.querySelector("mjx-container.notranslate")))]}""")
    assert seen == [True, False, False, [True, True]]
    assert [said.removeprefix("notranslate-math: ") for said in page.said] == [
        'hold: "none" is not an element',
        "hold: null is not an element",
    ]


def test_what_arrives_in_other_ways(lab):
    """Several at once, nested, as bare text, as code, after it was replaced; and what the site typesets itself."""
    page = lab("mathjax4-chtml", "after")
    seen = page.evaluate(r"""async () => {
        const count = (root) => root.querySelectorAll("mjx-container.notranslate").length;
        const box = document.createElement("div");
        box.innerHTML = String.raw`<p>One \(x\)</p><ul><li>two \(y\)<ul><li>three \(z\)</li></ul></li></ul>
            <pre>\(n\)</pre>`;
        lab.page.append(box);
        await lab.released([box.firstChild, box.querySelector("li li")]);
        const seen = [count(box), box.querySelector("pre").textContent];
        box.firstChild.textContent = String.raw`Again \(x\)`;
        await lab.released([box.firstChild]);
        seen.push(count(box.firstChild));
        const plain = document.createElement("p");
        plain.textContent = "No formula.";
        const own = lab.make(1);
        lab.page.append(plain, own);
        lab.typeset(own);
        await lab.released([own]);
        return [...seen, plain.outerHTML, count(own), own.querySelectorAll("mjx-container").length]}""")
    assert seen == [3, r"\(n\)", 1, "<p>No formula.</p>", 1, 1]


def test_two_guards_look_after_their_own_parts(lab):
    page = lab("mathjax3-chtml")
    seen = page.evaluate(r"""async () => {
        const parts = [0, 1, 2].map(() => lab.page.appendChild(document.createElement("div")));
        const guards = [0, 1].map((n) => lab.protect({root: parts[n], delimiters: [["\\(", "\\)"]]}));
        const fill = () => parts.map((part, n) => part.appendChild(lab.make(n)));
        const settle = async (held) => {
            const blocks = fill();
            await Promise.all([lab.released(held.map((n) => blocks[n])), lab.typeset(blocks[2])]);
            return parts.map((part) => part.querySelectorAll("mjx-container.notranslate").length)};
        const both = await settle([0, 1]);
        guards[0].undo();
        return [both, await settle([1])]}""")
    assert seen == [[1, 1, 0], [0, 2, 0]]
    page.evaluate("lab.protect({root: null}).undo()")
    assert page.said == ["notranslate-math: root: null is not an element; it is the whole page now"]


def test_broken_variant_is_caught(lab):
    """Without a guard the same races are lost: these tests can fail."""
    page = lab("mathjax3-chtml")
    verdicts = page.evaluate("""lab.race(async (block, insert, pause) => {
        insert(block);
        await pause();
        await lab.typeset(block);
        lab.mark(block)}, {n: 100, seed: 1})""")
    assert sound(verdicts) is not True
