// The four demonstrations of chapter 8. Nothing outside of their boxes is touched.

import { protect } from "./notranslate-math.js";
import { translate } from "./translator.js";

const PARAGRAPHS = [
  String.raw`The squares of all numbers add up nicely: \(\sum_{n=1}^\infty \frac{1}{n^2}=\frac{\pi^2}{6}\). Euler found it.`,
  String.raw`The area under a bell is \(\int_{-\infty}^\infty e^{-x^2}\,dx=\sqrt{\pi}\), and Gauss was not the first to know.`,
  String.raw`A step has one jump: \(f(x)=1 \text{ if } x>0\), else it is zero.`,
];
const MATHJAX = new URL("mathjax/tex-chtml.js", import.meta.url); // the only page of the book with a live engine
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
  await engine;
  await MathJax.startup.promise;
  await MathJax.typesetPromise([block]);
};
const slowly = async (block) => {
  await sleep(SLOW);
  await typeset(block);
};
const paragraph = (n) => {
  const block = document.createElement("p");
  block.textContent = PARAGRAPHS[n % PARAGRAPHS.length];
  return block;
};
const set = (element) => element.classList.add("notranslate");
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

const KINDS = {
  finished: {
    async start(demo) {
      for (const n of [0, 1, 2]) {
        const block = demo.insert(n);
        await typeset(block);
        if (demo.protection) formulas(block).forEach(set);
      }
    },
    Translate: (demo) => demo.translator(Infinity).visit(),
  },
  late: {
    start(demo) {
      if (demo.protection) demo.guard = protect({ root: demo.stage });
    },
    "Load more": (demo) => demo.insert(),
    Typeset: (demo) => Promise.all(demo.blocks().filter((block) => !formulas(block).length).map(typeset)),
  },
  race: {
    start(demo) {
      demo.translator(VISIT);
      if (demo.protection) demo.guard = protect({ root: demo.stage, typeset: (blocks) => Promise.all(blocks.map(slowly)) });
    },
    async "Load more"(demo) {
      const block = demo.insert();
      if (demo.protection) return;
      await slowly(block);
      formulas(block).forEach(set);
    },
  },
  reverse: {
    start(demo) {
      demo.step = 0;
      demo.eye = demo.translator(Infinity);
      demo.block = paragraph(0);
    },
    async "Next step"(demo) {
      const steps = [
        ["guard", () => set(demo.block)],
        ["insert", () => demo.stage.append(demo.block)],
        ["typeset", () => typeset(demo.block)],
        ["mark", () => formulas(demo.block).forEach(set)],
        ["release", () => demo.block.classList.remove("notranslate")],
      ].filter(([step]) => demo.protection || !["guard", "release"].includes(step));
      if (demo.step === steps.length) return demo.begin();
      const [name, action] = steps[demo.step++];
      await action();
      demo.eye.visit();
      demo.note = `${name}; the translator has come by. `;
    },
  },
};

class Demo {
  constructor(box) {
    this.stage = box.querySelector(".stage");
    this.status = box.querySelector("[role=status]");
    this.checkbox = box.querySelector("input");
    const kind = KINDS[box.dataset.kind];
    for (const button of box.querySelectorAll("button")) {
      const action = kind[button.textContent] ?? (() => this.begin());
      button.addEventListener("click", async () => {
        await action(this);
        this.tell();
      });
    }
    this.checkbox.addEventListener("change", () => this.begin());
    this.kind = kind;
    new MutationObserver(() => this.tell()).observe(this.stage, { childList: true, subtree: true });
    this.begin();
  }

  async begin() {
    this.guard?.undo();
    this.guard = undefined;
    this.watching?.stop();
    this.note = "";
    this.stage.replaceChildren();
    await this.kind.start(this);
    this.tell();
  }

  get protection() {
    return this.checkbox.checked;
  }

  blocks() {
    return [...this.stage.children];
  }

  insert(n = this.stage.children.length) {
    const block = paragraph(n);
    this.stage.append(block);
    return block;
  }

  translator(delay) {
    this.watching?.stop();
    return (this.watching = translate(this.stage, { delay: () => delay }));
  }

  tell() {
    const said = this.blocks().map((block, n) => `Paragraph ${n + 1}: ${verdict(block)}.`);
    const hidden = this.stage.querySelector("p:last-child mjx-assistive-mml")?.textContent;
    const heard = hidden && this.kind === KINDS.finished ? ` Given to a screen reader for the last: ${hidden}` : "";
    const text = this.note + (said.join(" ") || "Nothing is here yet.") + heard;
    if (this.status.textContent !== text) this.status.textContent = text;
  }
}

for (const box of document.querySelectorAll(".translate-demo:not([data-alive])")) {
  box.dataset.alive = "";
  new Demo(box);
}
