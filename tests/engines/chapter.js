// What chapter 8 asks of the laboratory besides, to be loaded into lab.html: `lab` gets these functions too.

import { pageTranslator } from "./page-translator.js";

const HIDDEN = `${lab.HIDDEN}, mjx-speech, annotation`;
const FIVE = lab.FORMULAS.map((_, n) => n);
const never = { delay: () => Infinity };
const fresh = (...blocks) => {
  const box = document.createElement("div");
  lab.clear();
  lab.page.replaceChildren(box);
  box.append(...blocks);
  return box;
};
const translators = {
  texts: (box) => lab.translate(box, never),
  insertions: (box) => lab.translate(box, { ...never, attributes: false }),
  pieces: pageTranslator,
};

/** A paragraph with this source between two words. */
const around = (source) => {
  const block = document.createElement("p");
  block.append("Before ", source, " after");
  return block;
};

/** An async function of p and box, made of its text. */
const recipe = (text) => (async () => {}).constructor("p", "box", text);

/** Formula by formula, after a translator of this kind: texts wrapped, letters changed, changed in sight; prose translated. */
async function damage(kind, how) {
  const blocks = FIVE.map(lab.make);
  const box = fresh(...blocks);
  await lab.typeset(...blocks);
  if (how) blocks.forEach((block) => lab.mark(block, how));
  const formulas = blocks.map((block) => block.querySelector(lab.FORMULA));
  const read = () =>
    formulas.map((formula) => {
      const seen = formula.cloneNode(true);
      seen.querySelectorAll(HIDDEN).forEach((node) => node.remove());
      return [formula.textContent, seen.textContent];
    });
  const before = read();
  const translator = translators[kind](box);
  translator.visit();
  translator.stop();
  const after = read();
  return formulas.map((formula, n) => [
    Boolean(formula.querySelector("font")),
    ...[0, 1].map((part) => before[n][part] !== after[n][part]),
    lab.verdict(blocks[n]).translated,
  ].map(Number));
}

/** Of a formula that was typeset off the page, and of one that was typeset in it: its width and its block's, in px; is there a text for a screen reader? */
async function away() {
  const [off, inside] = [lab.make(1), lab.make(1)];
  const box = fresh(inside);
  await lab.typeset(off);
  await lab.typeset(inside);
  box.append(off);
  return [off, inside].map((block) => [
    ...[block.querySelector(lab.FORMULA), block].map((node) => node.getBoundingClientRect().width),
    Number(Boolean(block.querySelector(HIDDEN))),
  ]);
}

/** A font whose letters are low, or high. */
async function font(sizeAdjust) {
  const source = "url(node_modules/katex/dist/fonts/KaTeX_Main-Regular.woff2)";
  const face = new FontFace(`fitted${parseInt(sizeAdjust)}`, source, { sizeAdjust });
  document.fonts.add(await face.load());
  return face;
}

/** In a box of this font: typeset a block off the page and one in it; see `fitted`. */
async function beside(box, { family }, size, off, inside) {
  const [part, ruler] = [document.createElement("div"), document.createElement("div")];
  part.style.cssText = `font: ${size}px/48px ${family}; width: 3000px`;
  ruler.style.width = "10ex";
  part.append(inside, ruler);
  box.append(part);
  await lab.typeset(off);
  await lab.typeset(inside);
  inside.after(off);
  const wide = (node) => node.getBoundingClientRect().width;
  const formulas = [off, inside].map((block) => block.querySelector(lab.FORMULA));
  const sizes = formulas.map((formula) => parseFloat(getComputedStyle(formula).fontSize));
  return [...formulas.map(wide), ...sizes, wide(ruler) / (10 * size)];
}

/**
 * Beside fonts whose letter x is low, and high: of a formula typeset off the page, and of one typeset in it, the widths
 * and the sizes of their fonts, in px, and the height of x, in em; with MathJax's option `matchFontHeight` as given.
 * With a source of its own, to be seen: the low ones, then the high ones, in the page and off it.
 */
async function fitted(match, tex) {
  const { options } = MathJax.startup.document.outputJax;
  const shipped = options.matchFontHeight;
  options.matchFontHeight = match;
  const [box, found] = [fresh(), []];
  for (const sizeAdjust of ["70%", "150%"]) {
    const face = await font(sizeAdjust);
    const pair = tex ? seen(around(tex), around(tex)) : [lab.make(1), lab.make(1)];
    found.push(await beside(box, face, tex ? 24 : 40, ...pair));
    if (!tex) document.fonts.delete(face);
  }
  options.matchFontHeight = shipped;
  return found;
}

/** How many of the five formulas `.MathJax`, the essay's selector, finds. */
async function selected() {
  const blocks = FIVE.map(lab.make);
  const box = fresh(...blocks);
  await lab.typeset(...blocks);
  return blocks.filter((block) => block.querySelector(".MathJax")).length;
}

const now = (...blocks) => {
  if (lab.engine === "katex") blocks.forEach((block) => renderMathInElement(block));
  else if (MathJax.Hub) MathJax.Hub.Typeset(blocks);
  else MathJax.typeset(blocks);
};
const marked = (blocks) => blocks.forEach((block) => lab.mark(block));
const RECIPES = {
  synchronous: (box, blocks) => (box.append(...blocks), now(...blocks), marked(blocks)),
  async awaited(box, blocks) {
    box.append(...blocks);
    await lab.typeset(...blocks);
    marked(blocks);
  },
  async "off the page"(box, blocks) {
    await lab.typeset(...blocks);
    marked(blocks);
    box.append(...blocks);
  },
  async reverse(box, blocks) {
    blocks.forEach(lab.guard);
    box.append(...blocks);
    await lab.typeset(...blocks);
    marked(blocks);
    blocks.forEach(lab.release);
  },
};

/**
 * How many of the five formulas are typeset when the recipe ends, and in the end whole, and their prose translated; the
 * translator comes at the first "timer" or "microtask" that it gets.
 */
async function arrival(recipe, comes) {
  const [box, blocks] = [fresh(), FIVE.map(lab.make)];
  const translator = lab.translate(box, { delay: () => (comes === "timer" ? 0 : null) });
  await lab.sleep(5); // it has seen the empty box
  await RECIPES[recipe](box, blocks);
  const ready = blocks.filter((block) => lab.verdict(block).typeset).length;
  await lab.sleep(25);
  // MathJax 4 adds what is spoken when its worker has found it.
  const spoken = () => blocks.every((block) => block.querySelector("mjx-speech"));
  for (let n = 0; lab.speech && n < 100 && !spoken(); n++) await lab.sleep(20);
  translator.stop();
  const verdicts = blocks.map(lab.verdict);
  return [ready, ...["whole", "translated"].map((what) => verdicts.filter((verdict) => verdict[what]).length)];
}

/** The next task; a timer would be held back for 4 ms when many follow one another. */
const task = () => new Promise((done) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => (port1.close(), done());
  port2.postMessage(null);
});

/** A clock without a timer: run() ends one sleep after the other, in the order of their ends, and of equal ones as they began. */
function clock() {
  const alarms = [];
  let now = 0;
  return {
    sleep: (time) => new Promise((wake) => alarms.push({ at: now + time, wake })),
    async run() {
      while (alarms.length) {
        alarms.sort((a, b) => a.at - b.at); // equal ones keep their order
        const { at, wake } = alarms.shift();
        now = at;
        wake();
        await task(); // what is due runs, in a task of its own
      }
    },
  };
}

/**
 * n blocks at once, each in a page part of its own: is it garbled, if the visit comes after D[i] ms and the mark after E[i]?
 * By a clock of its own, or by the browser's timers.
 */
async function contest(D, E, timers = false) {
  const { sleep, run } = timers ? { sleep: lab.sleep, run() {} } : clock();
  const box = fresh(...[1, 2, 3, 4].map(lab.make));
  const early = lab.translate(box, never);
  early.visit();
  early.stop();
  await lab.typeset(...box.children); // what garbled formulas need is loaded
  box.replaceChildren();
  const trial = async (wait, pause, i) => {
    const [part, block] = [document.createElement("div"), lab.make(1 + (i % 4))];
    box.append(part);
    const translator = lab.translate(part, never);
    translator.visit();
    part.append(block);
    const visit = sleep(wait).then(() => translator.visit());
    await sleep(pause);
    now(block);
    lab.mark(block);
    await visit;
    translator.stop();
    return Number(!lab.verdict(block).whole);
  };
  const trials = Promise.all(D.map((wait, i) => trial(wait, E[i], i)));
  await run();
  return trials;
}

/** Two batches under way: each is released when it is ready, or all that is on the page, as the essay's script does. */
async function batches(all) {
  const box = fresh();
  const [first, second] = [lab.make(1), lab.make(1)];
  const translator = lab.translate(box, never);
  for (const block of [first, second]) {
    lab.guard(block);
    box.append(block);
  }
  await lab.typeset(first);
  lab.mark(first);
  (all ? [first, second] : [first]).forEach(lab.release);
  translator.visit();
  await lab.typeset(second);
  lab.mark(second);
  lab.release(second);
  translator.visit();
  translator.stop();
  return [first, second].map((block) => Number(lab.verdict(block).whole));
}

const again = {
  nothing() {},
  texts: (block) => [...block.childNodes].forEach((node) => block.insertBefore(node, node.nextSibling)),
  block: (block) => block.after(block),
  wrapper(block) {
    const wrapper = document.createElement("div");
    block.replaceWith(wrapper);
    wrapper.append(block);
  },
};

/** A translator of this kind comes before the release and after it: [whole, translated], for each way to wake it. */
async function woken(kind, way) {
  const [box, block] = [fresh(), lab.make(1)];
  const translator = translators[kind](box);
  translator.visit();
  lab.guard(block);
  box.append(block);
  await lab.typeset(block);
  lab.mark(block);
  translator.visit();
  lab.release(block);
  again[way](block);
  translator.visit();
  translator.stop();
  const { whole, translated } = lab.verdict(block);
  return [whole, translated].map(Number);
}

/** The same with the module, a translator of the open-source kind, and, if asked for, a new element at each release. */
async function deaf(wrap) {
  const [box, block] = [fresh(), lab.make(1)];
  lab.protection = lab.protect({ root: lab.page, timeout: 60000 });
  const translator = pageTranslator(box);
  translator.visit();
  if (wrap) box.addEventListener("notranslate-math", ({ target }) => again.wrapper(target), { once: true });
  const released = lab.released([block]);
  box.append(block);
  await null; // the module guards it
  translator.visit();
  await released;
  translator.visit();
  translator.stop();
  const { whole, translated } = lab.verdict(block);
  return [whole, translated].map(Number);
}

/** Blocks to be seen, one below the other, each 48 px high. */
const seen = (...blocks) => {
  lab.page.style.position = "static";
  for (const block of blocks) Object.assign(block.style, { height: "48px", margin: 0, overflow: "hidden" });
  return blocks;
};
const visit = (block) => {
  const translator = translators.texts(block);
  translator.visit();
  translator.stop();
};

/** A block's text, with this sign for a formula that is as it was typeset. */
function text(block, sign) {
  const copy = block.cloneNode(true);
  for (const node of copy.querySelectorAll("script, .MathJax_Preview")) node.remove();
  const formula = copy.querySelector(lab.FORMULA);
  if (formula && !formula.querySelector("font")) formula.replaceWith(sign);
  return copy.textContent;
}

/** What a visit leaves of a paragraph with this formula that is guarded, wrapped, marked: while it is raw, and once it is typeset. */
async function places(tex) {
  const found = [];
  for (const place of ["guarded", "wrapped", "marked"])
    for (const ready of [false, true]) {
      const [block, span] = [document.createElement("p"), document.createElement("span")];
      span.append(tex);
      if (place === "wrapped") lab.guard(span);
      block.append("The root ", place === "wrapped" ? span : tex, " is irrational.");
      const box = fresh(block);
      if (place === "guarded") lab.guard(block);
      if (ready) await lab.typeset(block);
      if (place === "marked") lab.mark(block);
      visit(box);
      found.push(text(block, "√2"));
    }
  return found;
}

/** A sentence to look at, four times, 48 px high: as typeset; translated before that; after it; and after a mark. */
async function paragraphs() {
  const blocks = [0, 1, 2, 3].map(() => lab.make(2));
  for (const block of blocks) block.textContent = String.raw`The steps: \(f(x)=1 \text{ if } x>0\).`;
  fresh(...seen(...blocks));
  visit(blocks[1]);
  await lab.typeset(...blocks);
  lab.mark(blocks[3]);
  blocks.slice(2).forEach(visit);
  await document.fonts.ready;
}

Object.assign(lab, { around, arrival, away, batches, contest, damage, deaf, fitted, now, paragraphs, places, recipe, seen, selected, text, visit, woken });
lab.ready = true;
