// A page with one engine, a translator and blocks of prose with a formula, to be driven from Python: `lab` has the means.

import { protect } from "../../notranslate-math/notranslate-math.js";
import { foreign, translate } from "../../book/assets/translator.js";

const SCRIPTS = {
  "mathjax2-html": ["mathjax2/MathJax.js?config=TeX-AMS_HTML-full"],
  "mathjax2-chtml": ["mathjax2/MathJax.js?config=TeX-AMS_CHTML-full"],
  "mathjax2-svg": ["mathjax2/MathJax.js?config=TeX-AMS_SVG-full"],
  "mathjax3-chtml": ["mathjax3/es5/tex-chtml.js"],
  "mathjax3-svg": ["mathjax3/es5/tex-svg.js"],
  "mathjax4-chtml": ["mathjax4/tex-chtml.js"],
  "mathjax4-svg": ["mathjax4/tex-svg.js"],
  katex: ["katex/dist/katex.css", "katex/dist/katex.js", "katex/dist/contrib/auto-render.js"],
};
const FORMULA = "mjx-container, .MathJax, .MathJax_CHTML, .MathJax_SVG, .katex";
const OUTPUTS = `${FORMULA}, .katex-error, .MathJax_Preview, .MathJax_Display, .MathJax_SVG_Display, .MJXc-display`;
const HIDDEN = "mjx-assistive-mml, .MJX_Assistive_MathML, .katex-mathml";
const FORMULAS = [
  String.raw`\(a^2+b^2=c^2\)`,
  String.raw`\(\sum_{n=1}^\infty \frac1{n^2}=\frac{\pi^2}6\)`,
  String.raw`\(f(x)=1 \text{ if } x>0\)`,
  String.raw`\(f(x)=1 \text{ если } x>0\)`,
  String.raw`\[\int_{-\infty}^\infty e^{-x^2}\,dx=\sqrt\pi\]`,
];
const page = document.getElementById("page");
const sleep = (time) => new Promise((done) => setTimeout(done, time));
const references = [];

/** Numbers in [0, 1) from a seed, so that a race can be drawn again. */
const random = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};

/** Load an engine; with `guard`, protect the page "before" the engine is there, or "after". */
async function start(engine, guard, options, speech = true) {
  if (engine.startsWith("mathjax"))
    window.MathJax = {
      loader: { paths: { fonts: new URL("node_modules/@mathjax", location).href } },
      showMathMenu: false,
      messageStyle: "none",
      ...lab.config,
      ...(speech || !engine.startsWith("mathjax4") ? {} : { options: { menuOptions: { settings: { enrich: false } } } }), // MathJax 4 spends most of its time on it
    };
  if (guard === "before") lab.protection = protect(options);
  for (const source of SCRIPTS[engine]) {
    const style = source.endsWith(".css");
    const file = document.createElement(style ? "link" : "script");
    Object.assign(file, style ? { rel: "stylesheet", href: `node_modules/${source}` } : { src: `node_modules/${source}` });
    document.head.append(file);
    await new Promise((done, fail) => {
      file.onload = done;
      file.onerror = () => fail(Error(`${source} is missing: run "make engines"`));
    });
  }
  if (window.MathJax?.Hub) { // else it pauses four times for 50 ms in each call, and after 250 ms of work
    const { processSectionDelay, processUpdateTime } = MathJax.Hub;
    lab.own = { processSectionDelay, processUpdateTime };
    Object.assign(MathJax.Hub, { processSectionDelay: 0, processUpdateTime: 1e9 });
  }
  lab.engine = engine;
  await window.MathJax?.startup?.promise;
  const blocks = FORMULAS.map((_, n) => make(n));
  for (const block of blocks) block.className = "notranslate";
  page.append(...blocks);
  await typeset(...blocks);
  references.push(...blocks.map((block) => skeleton(block.querySelector(FORMULA))));
  page.replaceChildren();
  if (guard === "after") lab.protection = protect(options);
}

/** A paragraph with the n-th formula, round and round. */
function make(n) {
  const block = document.createElement("p");
  block.id = `block-${n}`;
  block.dataset.formula = n % FORMULAS.length;
  block.innerHTML = "Before it stands a <em>sentence</em>, FORMULA and another one after it.";
  block.lastChild.data = block.lastChild.data.replace("FORMULA", () => FORMULAS[n % FORMULAS.length]);
  return block;
}

/** Ask the engine for its typesetting, as its manual says. */
async function typeset(...blocks) {
  if (lab.engine === "katex") return blocks.forEach((block) => renderMathInElement(block));
  if (lab.engine.startsWith("mathjax2"))
    return new Promise((done) => MathJax.Hub.Queue(["Typeset", MathJax.Hub, blocks], done));
  return (typesetting = typesetting.then(() => MathJax.typesetPromise(blocks)));
}
let typesetting = Promise.resolve();

/** Undo the module, which would help; let MathJax 3 and 4 forget the formulas so far: they go through them all in each call. */
function clear() {
  lab.protection?.undo();
  lab.protection = undefined;
  window.MathJax?.typesetClear?.();
}

const guard = (block) => block.classList.add("notranslate");
const mark = (block, how = "class") =>
  block.querySelectorAll(FORMULA).forEach((formula) =>
    how === "class" ? guard(formula) : formula.setAttribute("translate", "no"));
const release = (block) => block.classList.remove("notranslate");

/** Put the block's formula, raw or typeset, into a marked span; source that a translator has been at is left as it is. */
function wrap(block) {
  const [span, formula] = [document.createElement("span"), block.querySelector(FORMULA)];
  guard(span);
  if (formula) return (formula.replaceWith(span), span.append(formula));
  const tex = FORMULAS[block.dataset.formula];
  const [before, after] = block.lastChild.data?.split(tex) ?? [];
  if (after === undefined) return;
  span.append(tex);
  block.lastChild.replaceWith(before, span, after);
}

/** What a formula is made of: names, glyphs and text, without what is numbered or concerns the translator. */
function skeleton(node) {
  if (node.nodeType === Node.TEXT_NODE) return node.data.trim();
  if (node.nodeType !== Node.ELEMENT_NODE) return "";
  const glyph = node.getAttribute("data-c") ?? node.getAttribute("class")?.match(/\bmjx-c[0-9A-F]+\b/)?.[0] ?? "";
  return `<${node.localName} ${glyph} ${node.getAttribute("d") ?? ""}>${[...node.childNodes].map(skeleton).join("")}`;
}

/** What became of a block. */
function verdict(block) {
  const formula = block.querySelector(FORMULA);
  const tex = FORMULAS[block.dataset.formula];
  const fonts = formula ? [...formula.querySelectorAll("font")] : [];
  const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
  const prose = [];
  while (walker.nextNode()) {
    const text = walker.currentNode;
    if (/\p{L}{2}/u.test(text.data) && !text.parentElement.closest(`script, .MathJax_Preview, ${FORMULA}`)) prose.push(text);
  }
  return {
    typeset: Boolean(formula),
    whole: formula ? skeleton(formula) === references[block.dataset.formula] : block.textContent.includes(tex),
    seen: fonts.some((font) => !font.closest(HIDDEN)), // by the eye
    heard: fonts.some((font) => font.closest(HIDDEN)), // by assistive technology only
    translated: prose.every((text) => text.parentElement.closest("font") && text.data === foreign(text.data)),
    untouched: prose.every((text) => !text.parentElement.closest("font")),
  };
}

/** Blocks with each of the formulas, typeset before there is a translator; `prepare` marks them. Then it comes. */
async function rendered(prepare = () => {}) {
  const blocks = FORMULAS.map((_, n) => make(n));
  page.replaceChildren(...blocks);
  await prepare.before?.(blocks);
  await typeset(...blocks);
  (prepare.after ?? prepare)(blocks);
  const translator = translate(page, { delay: () => Infinity });
  translator.visit();
  translator.stop();
  return blocks.map(verdict);
}

/**
 * n blocks that arrive at random times and are typeset after random pauses, with a translator of random delays.
 * recipe(block, insert, pause) brings one block in.
 */
async function race(recipe, { n = 200, seed = 0, delay = 500, pause = 500, spread = 500, attributes = true } = {}) {
  page.replaceChildren();
  const draw = random(seed);
  const translator = translate(page, { delay: () => (delay === null ? null : draw() * delay), attributes });
  const blocks = Array.from({ length: n }, (_, i) => make(i));
  const insert = (block) => page.append(block);
  await Promise.all(
    blocks.map(async (block) => {
      const [arrival, wait] = [draw() * spread, draw() * pause];
      await sleep(arrival);
      await recipe(block, insert, () => sleep(wait));
    }),
  );
  for (let quiet = 0; quiet < 3; quiet = translator.waiting.size ? 0 : quiet + 1) await sleep(20);
  translator.stop();
  return blocks.map(verdict);
}

const STEPS = {
  guard,
  insert: (block, box) => box.append(block),
  mark: (block) => mark(block),
  release,
  wrap,
  reinsert: (block, box) => box.append(block),
};

/**
 * For each recipe, a list of steps, and for every set of its steps after which the translator may come by, and it always
 * does at the end: what it left. Each set has a box, a block and a translator of its own, and all go through the steps
 * together: to typeset many blocks takes little more time than to typeset one. The blocks have the n-th formula.
 */
async function schedules(recipes, attributes = true, n = 1) {
  const trials = recipes.map((steps) => Array.from({ length: 2 ** steps.length }, (_, set) => {
    const box = document.createElement("div");
    return { steps, set, box, block: make(n), translator: translate(box, { delay: () => Infinity, attributes }) };
  }));
  const all = trials.flat();
  clear();
  page.replaceChildren(...all.map(({ box }) => box));
  for (let k = 0; k < Math.max(...recipes.map((steps) => steps.length)); k++) {
    const here = all.filter(({ steps }) => k < steps.length);
    const raw = here.filter(({ steps }) => steps[k] === "typeset");
    if (raw.length) await typeset(...raw.map(({ block }) => block));
    for (const { steps, set, block, box, translator } of here) {
      if (steps[k] !== "typeset") STEPS[steps[k]](block, box);
      if ((set >> k) & 1) translator.visit();
    }
  }
  return trials.map((sets) => sets.map(({ block, translator }) => {
    translator.visit();
    translator.stop();
    const { whole, translated } = verdict(block);
    return [whole, translated].map(Number);
  }));
}

/** Each of these blocks has been released by a guard. */
const released = (blocks) =>
  Promise.all(
    blocks.map((block) => new Promise((done, fail) => {
      block.addEventListener("notranslate-math", done, { once: true });
      setTimeout(() => fail(Error(`${block.id} is not released`)), 20000);
    })),
  );

/** What is inserted late, after a second, and after typesetting was asked for. */
async function late() {
  const blocks = FORMULAS.map((_, n) => make(n));
  page.replaceChildren(...blocks);
  await sleep(1000);
  const waited = blocks.map(verdict);
  await typeset(...blocks);
  return { waited, asked: blocks.map(verdict) };
}

/** Whether each formula is marked at the moment it is connected; the first call defines the element. */
async function connected() {
  const told = [];
  page.replaceChildren();
  customElements.define("mjx-container", class extends HTMLElement {
    connectedCallback() {
      told.push(this.classList.contains("notranslate") && !this.translate);
    }
  });
  const guard = protect({ root: page, late: false });
  const blocks = FORMULAS.map((_, n) => make(n));
  page.append(...blocks);
  await typeset(...blocks);
  guard.undo();
  return told;
}

/** All five blocks, typeset, with a guard or without; in ordinary circumstances. */
async function plain(guarded) {
  clear();
  if (guarded) lab.protection = protect({ root: page, timeout: 60000 });
  const blocks = FORMULAS.map((_, n) => make(n));
  page.replaceChildren(...blocks);
  await (guarded ? released(blocks) : typeset(...blocks));
  await document.fonts.ready;
}

/** What can be seen and copied. */
const look = () => {
  getSelection().selectAllChildren(page);
  const copied = getSelection().toString();
  getSelection().removeAllRanges();
  return [page.innerText, copied, [...page.querySelectorAll("*")].map((e) => JSON.stringify(e.getBoundingClientRect()))];
};

/** A translator that waits for nothing and was there first. */
async function hasty(hold) {
  clear();
  page.replaceChildren();
  const translator = translate(page, { delay: () => null });
  const guard = protect({ root: page, timeout: 60000 });
  const blocks = FORMULAS.map((_, n) => make(n));
  if (hold) blocks.forEach(guard.hold);
  page.append(...blocks);
  if (hold) await guard.typeset(...blocks);
  else await null; // all observers have run then
  const verdicts = blocks.map(verdict);
  translator.stop();
  guard.undo();
  return verdicts;
}

/** Whether formulas are to be seen that get their pass in MathJax 2.7's own hook for a new formula. */
async function hooked(how) {
  const blocks = FORMULAS.map((_, n) => make(n));
  page.replaceChildren(...blocks);
  const hook = MathJax.Hub.Register.MessageHook("New Math", () => blocks.forEach((block) => mark(block, how)));
  await typeset(...blocks);
  MathJax.Hub.UnRegister.MessageHook(hook);
  return blocks.map((block) => Number(getComputedStyle(block.querySelector(FORMULA)).display !== "none"));
}

window.lab = {
  config: {}, // more for MathJax
  clear, connected, guard, hasty, hooked, late, look, make, mark, page, plain, protect, race, release, released,
  rendered, schedules, sleep, start, translate, typeset, verdict, wrap, FORMULA, FORMULAS, HIDDEN, OUTPUTS,
};
