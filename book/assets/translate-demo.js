// The live demonstration of chapter 8. Nothing outside of its box is touched. The build makes one plain script of it and
// of what it imports.

import { protect } from "./notranslate-math.js";
import { translate } from "./translator.js";

const PARAGRAPHS = [
  String.raw`The squares of all numbers add up nicely: \(\sum_{n=1}^\infty \frac{1}{n^2}=\frac{\pi^2}{6}\). Euler found it.`,
  String.raw`The area under a bell is \(\int_{-\infty}^\infty e^{-x^2}\,dx=\sqrt{\pi}\), and Gauss was not the first to know.`,
  String.raw`A step has one jump: \(f(x)=1 \text{ if } x>0\), else it is zero.`,
];
const MATHJAX = new URL("mathjax/tex-chtml.js", document.currentScript.src); // the only page of the book with a live engine
const VISIT = 200;
const SLOW = 800;
const sleep = (time) => new Promise((done) => setTimeout(done, time));
const engine = new Promise((loaded, failed) => {
  // The menu makes every formula a tab stop and offers parts that are not shipped.
  window.MathJax = { startup: { typeset: false }, options: { enableMenu: false } };
  const script = Object.assign(document.createElement("script"), { src: MATHJAX, onload: loaded, onerror: failed });
  document.head.append(script);
});
const typeset = async (block) => {
  await sleep(SLOW);
  await engine;
  await MathJax.startup.promise;
  await MathJax.typesetPromise([block]);
};
const paragraph = (n) => {
  const block = document.createElement("p");
  block.textContent = PARAGRAPHS[n % PARAGRAPHS.length];
  return block;
};
const formulas = (block) => [...block.querySelectorAll("mjx-container")];

/** What a reader of this block gets. */
const verdict = (block) => {
  const translated = Boolean(block.querySelector("font"));
  const [formula] = formulas(block);
  const heard = formula?.querySelector("mjx-assistive-mml font");
  const seen = formula?.querySelector("mjx-merror, mjx-math font") || formula?.closest("font");
  const state = seen || (!formula && translated) ? "garbled" : heard ? "garbled for a screen reader" : formula ? "whole" : "raw";
  return `formula ${state}, prose ${translated ? "translated" : "as written"}`;
};

class Demo {
  constructor(box) {
    this.stage = box.querySelector(".stage");
    this.status = box.querySelector("[role=status]");
    this.checkbox = box.querySelector("input");
    const [more, again] = box.querySelectorAll("button");
    more.addEventListener("click", () => this.load());
    again.addEventListener("click", () => this.begin());
    this.checkbox.addEventListener("change", () => (this.checkbox.checked ? this.protect() : this.begin()));
    new MutationObserver(() => this.tell()).observe(this.stage, { childList: true, subtree: true });
    this.begin();
  }

  begin() {
    this.guard?.undo();
    this.watching?.stop();
    this.stage.replaceChildren();
    this.watching = translate(this.stage, { delay: () => VISIT });
    this.guard = undefined;
    if (this.checkbox.checked) this.protect();
    this.tell();
  }

  /** From now on; what is here stays, to be compared with what comes. */
  protect() {
    const set = (blocks) => Promise.all(blocks.map(typeset));
    this.guard = protect({ root: this.stage, typeset: set });
  }

  async load() {
    const block = paragraph(this.stage.children.length);
    this.stage.append(block);
    if (this.guard) return;
    await typeset(block);
    formulas(block).forEach((formula) => formula.classList.add("notranslate"));
    this.tell();
  }

  tell() {
    const said = [...this.stage.children].map((block, n) => `Paragraph ${n + 1}: ${verdict(block)}.`);
    const text = said.join(" ") || "Nothing is here yet.";
    if (this.status.textContent !== text) this.status.textContent = text;
  }
}

for (const box of document.querySelectorAll(".translate-demo:not([data-alive])")) {
  box.dataset.alive = "";
  new Demo(box);
}
