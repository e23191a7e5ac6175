// What notranslate-math must stand in every engine and browser: `trials.run()` gives the complaints, if there are any.
// The engine is configured with `$…$`; the page is set up by `trials.start(engine)`.

const raw = String.raw;
const labelled = () => raw`<p>\begin{equation}${lab.engine === "katex" ? "" : raw`\label{a}`}x\end{equation}</p>`;
const SPLITS = [
  "<p>Cheap eats: $$ <b>Italian</b>, $$ Thai.</p>",
  raw`<p>Some \(x<em>1 + y</em>1\) here</p>`,
  raw`<p>Some \(x_1+<mark>x_2</mark>+x_3\) here</p>`,
  "<p>This one costs $5 and <i>that</i> one $6</p>",
];
const SETTLE = 60;

let turns = 0; // how often the module was called because something changed
const { queueMicrotask: queue, MutationObserver: Observer } = window;
window.queueMicrotask = (work) => queue(() => (turns++, work()));
class Counted extends Observer {
  constructor(work) {
    super((...records) => (turns++, work(...records)));
  }
}

const guard = (options = {}) => {
  window.MutationObserver = Counted;
  const settings = { settle: SETTLE, katex: katex(), ...options };
  const made = lab.protect(settings);
  window.MutationObserver = Observer;
  return made;
};
const katex = () =>
  lab.engine !== "katex"
    ? undefined
    : {
        delimiters: ["$$ $$", "$ $", raw`\( \)`, raw`\[ \]`, raw`\begin{equation} \end{equation}`].map((pair) => {
          const [left, right] = pair.split(" ");
          return { left, right, display: left.length > 2 || left === "$$" };
        }),
        ignoredClasses: ["mathjax_ignore"],
        errorCallback() {},
      };
const add = (html, place = lab.page) => {
  const box = document.createElement("div");
  box.innerHTML = html;
  return place.appendChild(box.firstElementChild);
};
const formulas = (node) =>
  [...node.querySelectorAll(lab.FORMULA)].filter((one) => !one.parentElement.closest(lab.FORMULA));
const all = (list) => [...list].every(Boolean);
const bare = (node) => !node.closest(".notranslate, [translate=no]");
const until = async (what, time = 5000) => {
  for (const end = Date.now() + time; !what() && Date.now() < end; ) await lab.sleep(10);
  return what();
};
/** Wait until the module has had nothing to do for a while; false if that does not come. */
const quiet = async (time = 15000) => {
  for (let [end, last, since] = [Date.now() + time, -1, 0]; Date.now() < end; ) {
    await lab.sleep(20);
    if (turns !== last) [last, since] = [turns, Date.now()];
    else if (Date.now() - since > 4 * SETTLE && bare(lab.page) && !document.querySelector("p.notranslate")) return true;
  }
  return false;
};
const visit = () => lab.translate(lab.page, { delay: () => Infinity }).visit();
const random = (seed) => () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t ^= t >>> 7;
  return (t >>> 0) / 2 ** 32;
};

const TRIALS = {
  async "elements between delimiters, at load and late"(say) {
    for (const late of [false, true]) {
      lab.page.replaceChildren();
      if (!late) SPLITS.forEach((html) => add(html));
      const made = guard();
      const blocks = late ? SPLITS.map((html) => add(html)) : [...lab.page.children];
      turns = 0;
      if (!(await quiet(4000))) say("it does not come to rest");
      if (turns > 12) say(`${turns} turns`);
      // Without the element between them, two texts are one.
      const joined = add(raw`<p>Some \(x<b></b>+1\)</p>`);
      await lab.sleep(3 * SETTLE);
      joined.querySelector("b").remove();
      if (!(await until(() => formulas(joined).length === 1))) say(`not joined: ${joined.innerHTML}`);
      SPLITS.forEach((html, n) => blocks[n].outerHTML === html || say(`changed: ${blocks[n].outerHTML}`));
      visit();
      if (!blocks[0].querySelector("font")) say("prose is not translated");
      made.undo();
    }
  },

  async "a formula that streams in as nodes, with a translator in between"(say) {
    const made = guard();
    const p = add("<p>Begin</p>");
    const translator = lab.translate(lab.page, { delay: () => 5 });
    for (const piece of [" \\(f(x)", "=1 \\text{ if", " } x>0\\)", " and on"]) {
      p.append(piece);
      await lab.sleep(20);
    }
    if (!(await until(() => formulas(p).length === 1 && bare(p)))) say(`left: ${p.innerHTML.slice(0, 300)}`);
    await quiet();
    translator.stop();
    if (formulas(p)[0]?.querySelector("font")) say("garbled");
    const rested = add("<p>So \\(f(x)</p>");
    await lab.sleep(3 * SETTLE);
    if (!bare(rested)) say("held without an end");
    rested.append("=1\\) it is");
    if (!(await until(() => formulas(rested).length === 1))) say(`after a rest: ${rested.innerHTML}`);
    // When the translator has its hand in it before it ends, the text is left alone.
    const q = add("<p>\\(f(x)</p>");
    q.innerHTML = "<font><font>\\(f(x)</font></font>";
    q.append("=1\\)");
    if (!(await quiet())) say("it does not come to rest");
    if (q.textContent !== "\\(f(x)=1\\)") say(`changed: ${q.innerHTML}`);
    made.undo();
  },

  async "text that grows and text that changes"(say) {
    const made = guard();
    const translator = lab.translate(lab.page, { delay: () => 5 });
    const grown = add("<p class='notranslate'>Seen. </p>");
    grown.removeAttribute("class");
    grown.firstChild.appendData(raw`Then \(f(x)=1 \text{ if } x>0\)`);
    const changed = add("<p>7</p>");
    await lab.sleep(20);
    changed.querySelector("font")?.replaceWith("7");
    await lab.sleep(20);
    (changed.querySelector("font font") ?? changed).firstChild.data = "now $x^2$";
    for (const p of [grown, changed])
      if (!(await until(() => formulas(p).length === 1 && bare(p)))) say(`left: ${p.innerHTML.slice(0, 300)}`);
    await quiet();
    translator.stop();
    if (!all([...formulas(grown), ...formulas(changed)].map((one) => !one.querySelector("font")))) say("garbled");
    made.undo();
  },

  async "its own changes"(say) {
    const made = guard({ typeset() {} });
    const p = add(raw`<p>One \(x\), <font><font>two</font></font>.</p>`);
    await lab.sleep(20);
    [turns, p.className] = [0, "other"];
    let woken = false;
    const witness = new Observer(() => (woken = true));
    witness.observe(p.querySelector("font"), { childList: true, subtree: true });
    p.append(raw` And \(y\).`);
    await lab.sleep(50);
    if (p.querySelectorAll("span.notranslate").length !== 2) say(`not tried: ${p.innerHTML}`);
    if (turns !== 1) say(`${turns} turns for one change`);
    if (woken) say("what is translated is woken");
    made.undo();
    if (p.innerHTML !== raw`One \(x\), <font><font>two</font></font>. And \(y\).`) say(`left: ${p.innerHTML}`);
  },

  async "what the engine leaves raw"(say) {
    const made = guard({ typeset() {} });
    const left = [raw`\(a \text{ so \(b\) } c\)`, raw`\(\frac{1}{\)`, raw`$\{$`, "$$z\n$$"];
    left.push(raw`\begin{equation}x\end{equation}`);
    const blocks = left.map((tex) => add(`<p>Before ${tex} after it.</p>`));
    await lab.sleep(50);
    blocks.forEach((p, n) => {
      const spans = [...p.querySelectorAll("span.notranslate[translate=no]")].map((span) => span.textContent);
      if (spans.length !== 1 || spans[0] !== left[n]) say(`${left[n]} became ${spans}`);
    });
    made.undo();
  },

  async "a page that answers each of its changes"(say) {
    const made = guard({ settle: 5 });
    const p = add("<p>It costs $5.</p>");
    const hostile = new Observer(() => {
      p.replaceChildren("It costs $5.");
      hostile.takeRecords();
    });
    hostile.observe(p, { childList: true });
    turns = 0;
    p.append("");
    if (!(await quiet(4000))) say("it does not come to rest");
    if (turns > 50) say(`${turns} turns`);
    hostile.disconnect();
    made.undo();
  },

  async "the watched root is replaced"(say) {
    const old = document.body;
    const made = guard();
    for (let n = 0; n < 2; n++) {
      const body = document.createElement("body");
      body.innerHTML = raw`<p>New \(a^2\)</p>`;
      document.body.replaceWith(body);
      await null; // the observer has run
      if (bare(body.firstChild)) say("not guarded");
      if (!(await until(() => formulas(body).length === 1 && bare(body.firstChild)))) say("not typeset");
      const later = add(raw`<p>Later \(b^2\)</p>`, body);
      if (!(await until(() => formulas(later).length === 1))) say("later: not typeset");
      if (!all(formulas(body).map((one) => !bare(one)))) say("not marked");
    }
    document.body.replaceWith(old);
    made.undo();
  },

  async "a root by its selector, and one that has left"(say) {
    const warnings = [];
    const warn = console.warn;
    console.warn = (what) => warnings.push(what);
    const first = add("<section class='app'></section>");
    const made = [guard({ root: ".app" }), guard({ root: first })];
    const second = document.createElement("section");
    second.className = "app";
    first.replaceWith(second);
    const [inside, outside] = [add(raw`<p>\(x\)</p>`, second), add(raw`<p>\(x\)</p>`)];
    if (!(await until(() => formulas(inside).length))) say("the successor is not looked after");
    await lab.sleep(50);
    if (formulas(outside).length) say("what is outside is typeset");
    if (warnings.length !== 1 || !/has left the page/.test(warnings[0])) say(`said: ${warnings}`);
    console.warn = warn;
    made.forEach((one) => one.undo());
  },

  async "places where text is source"(say) {
    const sources = [
      raw`<div contenteditable=""><div>a formula \(a^2\) here</div></div>`,
      raw`<div contenteditable="plaintext-only">\(a^2\)</div>`,
      raw`<textarea>\(a^2\)</textarea>`,
      raw`<pre>\(a^2\)</pre>`,
      raw`<p>the code <code>$a^2$</code> makes it</p>`,
      raw`<select><option>\(a^2\)</option></select>`,
      raw`<p translate="no">left \(alone\)</p>`,
      raw`<p class="tex2jax_ignore mathjax_ignore">left \(alone\)</p>`,
    ];
    for (const late of [false, true]) {
      lab.page.replaceChildren();
      if (!late) sources.forEach((html) => add(html));
      const made = guard();
      const nodes = late ? sources.map((html) => add(html)) : [...lab.page.children];
      const mixed = add(raw`<p>Here \(x\), there <span contenteditable="true">type \(y\)</span>.</p>`);
      nodes[0].firstChild.append(raw` and \(b\)`);
      if (!(await until(() => formulas(mixed).length === 1))) say(`mixed: ${formulas(mixed).length}`);
      await quiet();
      nodes[0].firstChild.lastChild.remove();
      sources.forEach((html, n) => nodes[n].outerHTML === html || say(`changed: ${nodes[n].outerHTML}`));
      if (mixed.querySelector("span[contenteditable]").innerHTML !== raw`type \(y\)`) say("typeset in an editor");
      made.undo();
    }
  },

  async "the engine's state when content goes"(say) {
    const made = guard();
    const items = () => (window.MathJax?.startup ? [...MathJax.startup.document.math].length : 0);
    const box = add("<div></div>");
    const before = items();
    for (let n = 0; n < 3; n++) {
      box.innerHTML = labelled();
      // The second goes while it is typeset.
      if (n !== 1) await until(() => formulas(box).length && bare(box.firstChild));
    }
    await quiet();
    if (/multiply|merror|noError/.test(box.innerHTML)) say(`it says ${box.textContent}`);
    if (formulas(box).length !== 1) say(`${formulas(box).length} formulas`);
    if (items() - before !== (window.MathJax?.startup ? 1 : 0)) say(`${items() - before} items`);
    // What only leaves for a while is known again.
    const [p] = box.children;
    p.remove();
    await lab.sleep(20);
    if (items() !== before) say(`gone: ${items() - before} items`);
    box.append(p);
    await lab.sleep(20);
    if (window.MathJax?.startup && items() !== before + 1) say(`back: ${items() - before} items`);
    if (lab.engine !== "katex") {
      const twice = add(labelled());
      await until(() => formulas(twice).length || /multiply/.test(twice.innerHTML));
      await quiet();
      if (!/multiply|merror|noError|MathJax_Error/.test(twice.innerHTML)) say("two that are there are no mistake");
    }
    made.undo();
  },

  async "content that comes to a block while it is typeset"(say) {
    const slowly = async (blocks) => {
      await lab.typeset(...blocks);
      await lab.sleep(50);
    };
    const made = guard({ typeset: slowly });
    const p = add(raw`<p>One \(x\)</p>`);
    await until(() => formulas(p).length);
    if (bare(p)) say("not held");
    p.append(raw` and \(y\)`);
    if (!(await until(() => bare(p)))) say("held for ever");
    if (formulas(p).length !== 2) say(`${formulas(p).length} formulas`);
    made.undo();
  },

  async "content that goes before the engine comes to it"(say) {
    if (!window.MathJax?.startup) return; // the others keep no list
    const items = () => [...MathJax.startup.document.math].length;
    const before = items();
    const slowly = async (blocks) => {
      await lab.sleep(20);
      await lab.typeset(...blocks);
    };
    const made = guard({ typeset: slowly });
    const p = add(labelled());
    await lab.sleep(5);
    p.remove();
    await until(() => p.querySelector(lab.FORMULA) && bare(p));
    if (items() !== before) say(`${items() - before} items`);
    made.undo();
  },

  async "a hold that nobody lifts"(say) {
    const warn = console.warn;
    const warnings = [];
    console.warn = (what) => warnings.push(what);
    const made = guard({ timeout: 100 });
    const block = lab.make(0);
    lab.page.append(made.hold(block));
    if (!(await until(() => bare(block), 1000))) say("held for ever");
    console.warn = warn;
    if (!/neither typeset nor released/.test(warnings)) say(`said: ${warnings}`);
    made.undo();
  },

  async "a container with text of its own"(say) {
    const made = guard();
    const box = document.createElement("div");
    box.innerHTML = raw`Stray \(x\) and <b>bold</b> $y$.<p>One.</p><ul><li>two \(z\)<ul><li>three</li></ul></li></ul>`;
    lab.page.append(box);
    await null; // the observer has run
    const guarded = (node) => node.closest(".notranslate");
    if (guarded(box) || [...box.querySelectorAll("p, b, ul, li")].some(guarded)) say("guarded whole");
    visit();
    if (!box.querySelector("p font") || !box.querySelector("b font")) say("prose waits");
    if (!(await until(() => formulas(box).length === 3))) say(`${formulas(box).length} formulas`);
    await quiet();
    if (lab.engine !== "katex" && box.querySelector(":scope > span:not([class])")) say("a span stays");
    if (!all(formulas(box).map((one) => !bare(one)))) say("not marked");
    made.undo();
  },

  async "what the site typesets itself"(say) {
    const made = guard({ late: false });
    const block = lab.page.appendChild(lab.make(1));
    await lab.typeset(block);
    await lab.sleep(20);
    if (formulas(block).length !== 1 || bare(formulas(block)[0])) say("not marked");
    made.undo();
    if (!bare(formulas(block)[0])) say("the mark stays");
  },

  async "typeset off the page"(say) {
    const made = guard();
    const [here, away, inner] = [0, 0, 1].map(lab.make);
    const tree = document.createElement("section");
    tree.append("a", inner, "b");
    lab.page.append(here);
    if (!all([await made.typeset(here), await made.typeset(away, inner)])) say("it says false");
    if (away.isConnected || tree.innerHTML.indexOf("<p") !== 1) say("it is not where it was");
    if (document.querySelector(":is(body, main) > div.notranslate")) say("the stage is left");
    const translator = lab.translate(lab.page, { delay: () => null });
    lab.page.append(away, tree);
    await lab.sleep(50);
    translator.stop();
    const verdicts = [away, inner].map(lab.verdict);
    if (!all(verdicts.map((one) => one.typeset && one.whole && one.translated))) say(JSON.stringify(verdicts));
    const [a, b] = [here, away].map((block) => formulas(block)[0].getBoundingClientRect().width);
    if (Math.abs(a - b) > 0.51) say(`${a} wide in the page, ${b} off it`);
    made.undo();
  },

  async "what the page does at random"(say) {
    for (const seed of trials.seeds) await fuzz(seed, say);
  },
};

const PIECES = [
  "plain words", raw`\(a^2\)`, "$b$", "costs $5", raw`\(x`, raw`+y\)`, "$$", raw`\[z\]`, raw`\begin{equation}w`,
  raw`\end{equation}`, raw`\(\frac{1}{\)`, "$",
];

/** Insertions, splits, joins, removals, moves and translations; then it comes to rest, and all is as it should be. */
async function fuzz(seed, say, ops = trials.ops) {
  const draw = random(seed);
  const pick = (list) => list[Math.floor(draw() * list.length)];
  const warn = console.warn;
  console.warn = () => {}; // a block that is torn up while it is typeset
  lab.page.innerHTML = raw`<p>One \(a\)</p><ul><li>two</li></ul><div contenteditable="true">\(source\)</div>`;
  const editor = lab.page.lastChild;
  const made = guard({ timeout: 3000 });
  const translator = lab.translate(lab.page, { delay: () => draw() * 30, attributes: seed % 2 > 0 });
  const nodes = (kind) => {
    const walker = document.createTreeWalker(lab.page, kind);
    const found = [];
    while (walker.nextNode()) found.push(walker.currentNode);
    return found.filter((node) => {
      const place = node.parentElement.closest(`${lab.OUTPUTS}, script, [contenteditable]`);
      return !place && !(node instanceof Element && node.matches(`${lab.OUTPUTS}, script, [contenteditable], br`));
    });
  };
  const element = () => pick(nodes(NodeFilter.SHOW_ELEMENT)) ?? lab.page;
  const text = () => pick(nodes(NodeFilter.SHOW_TEXT)) ?? lab.page.appendChild(new Text("more"));
  const OPS = [
    () => element().append(pick(PIECES)),
    () => element().before(pick(PIECES)),
    () => {
      const made = document.createElement(pick(["p", "em", "span", "div", "font"]));
      made.textContent = `${pick(PIECES)} ${pick(PIECES)}`;
      element().append(made);
    },
    () => element().insertBefore(pick([document.createElement("br"), document.createComment("c")]), null),
    () => ((one) => one.data.length > 1 && one.splitText(Math.floor(draw() * one.data.length)))(text()),
    () => text().remove(),
    () => draw() < 0.3 && element().remove(),
    () => ((one, place) => one.contains(place) || place.append(one))(element(), element()),
    () => ((one, place) => place.append(one))(text(), element()),
    () => text().appendData(pick(PIECES)),
    () => (text().data = pick(PIECES)),
    () => element().normalize(),
    () => translator.visit(),
  ];
  turns = 0;
  for (let n = 0; n < ops; n++) {
    pick(OPS)();
    if (draw() < 0.5) await lab.sleep(draw() * 12);
  }
  const during = turns;
  if (!(await quiet(20000))) say(`seed ${seed}: it does not come to rest: ${turns} turns`);
  if (turns > 4 * ops) say(`seed ${seed}: ${turns} turns, ${during} of them while the page changed`);
  translator.stop();
  console.warn = warn;
  trials.turns.push(turns);
  if (editor.querySelector(lab.OUTPUTS)) say(`seed ${seed}: typeset in the editor: ${editor.innerHTML}`);
  for (const one of formulas(lab.page)) if (bare(one)) say(`seed ${seed}: not marked: ${one.outerHTML.slice(0, 80)}`);
  for (const p of lab.page.querySelectorAll("p, div, em, li, ul"))
    if (p.matches(".notranslate")) say(`seed ${seed}: still held: ${p.outerHTML.slice(0, 200)}`);
  const other = lab.page.querySelectorAll(`${lab.OUTPUTS}, .notranslate, [translate=no], [contenteditable], script`);
  other.forEach((one) => one.replaceWith(document.createElement("hr")));
  lab.page.normalize();
  for (const text of nodes(NodeFilter.SHOW_TEXT))
    if (/\\\([^\\$]*\\\)/.test(text.data)) say(`seed ${seed}: raw: ${text.data}`);
  made.undo();
}

window.trials = {
  seeds: [1, 2],
  ops: 60,
  turns: [],
  names: Object.keys(TRIALS),
  async start(engine) {
    const pairs = { inlineMath: [["$", "$"], ["\\(", "\\)"]] };
    lab.config = { tex: pairs, tex2jax: pairs };
    await lab.start(engine, null, {}, false);
  },
  /** The complaints of the trials, or of those named. */
  async run(names = trials.names) {
    const complaints = [];
    for (const name of names) {
      lab.page.replaceChildren();
      try {
        await TRIALS[name]((what) => complaints.push(`${name}: ${what}`));
      } catch (error) {
        complaints.push(`${name}: ${error?.stack ?? error}`);
      }
    }
    lab.page.replaceChildren();
    return complaints;
  },
};
