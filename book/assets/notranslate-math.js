/*! notranslate-math: formulas stay whole while a browser translates the page. MIT licence. */
/*
  <script type="module">
    import { protect } from "./notranslate-math.js";
    const guard = protect();
  </script>

MathJax 2.7, 3, 4: before or after MathJax's own script; a configuration `MathJax = {…}` must stand before this one.
KaTeX: load katex.js and its auto-render extension; give auto-render's options as `protect({ katex: {…} })`.

What is typeset is marked class="notranslate" translate="no", of MathJax 2.7 translate="no": by MathJax 3 and 4 before
it reaches the page, else before the script that puts it there gives way to others. What arrives with TeX in it is guarded
as a whole until it is typeset and marked, then released so that a translator notices. So is what comes from the
server as <p class="notranslate" translate="no" data-until-typeset>, the one form that is safe before scripts run.
Against a translator that waits for nothing, guard a block before it is inserted:

  list.append(guard.hold(block));
  await guard.typeset(block);

Options
  engine   "mathjax" (any version), "katex", or "auto": whichever is there when it is needed
  root     the part of the page to look after; document.body
  late     false: guard only what is passed to hold or typeset; true
  tex      a RegExp that finds raw formulas; \(…\), \[…\], $$…$$, \begin{…}…\end{…}
  katex    options for renderMathInElement
  typeset  async (blocks) => …, to typeset in place of the engine
  timeout  milliseconds after which a block is released in any case; 10000

Methods
  hold(block)         guard a block, inserted or not; returns it
  typeset(...blocks)  typeset, mark, release; resolves to true, or to false after a warning in the console
  release(block)      lift the guard without typesetting
  undo()              stop watching, lift all guards, take off all marks

Event
  notranslate-math    on each released block, bubbles; event.detail.typeset is true or false

Where typesetting fails, the block is released and its raw TeX alone stays marked.
*/

// MathJax 2.7 cuts off the last class of its frames, whichever it is, while it works; if that is ours, the formula stays
// hidden. So it gets the attribute alone. Its frames are inserted empty, and marked before they are filled.
const MATHJAX2 =
  ":is(.MathJax, .MathJax_CHTML, .MathJax_SVG, .MathJax_MathML, .MathJax_Display, .MathJax_SVG_Display, " +
  ".MJXc-display, .MathJax_Preview):not(mjx-container)";
const OUTPUT = `mjx-container, .katex, ${MATHJAX2}`;
const SKIP = "script, style, noscript, textarea, pre, code, .notranslate, [translate=no]";
const TEX = /\\\([^]*?\\\)|\\\[[^]*?\\\]|\$\$[^]*?\$\$|\\begin\{(\w+\*?)\}[^]*?\\end\{\1\}/g;
const SET = `.notranslate[translate=no], ${MATHJAX2}[translate=no]`;
const UNTIL = "data-until-typeset";
const ID = "notranslate-math";
const ENGINES = {
  mathjax: () => window.MathJax?.Hub || window.MathJax?.startup?.promise,
  katex: () => window.renderMathInElement,
  auto: () => ENGINES.mathjax() || ENGINES.katex(),
};

let guards = 0;

const say = (what) => console.warn(`${ID}: ${what}`);
const name = (thing) =>
  thing instanceof Element ? `<${thing.localName}${thing.id && ` id="${thing.id}"`}>` : JSON.stringify(thing);
const sleep = (time) => new Promise((done) => setTimeout(done, time));

const set = (element) => {
  if (!element.matches(MATHJAX2)) element.classList.add("notranslate");
  element.setAttribute("translate", "no");
};
const unset = (element, translate = null) => {
  element.classList.remove("notranslate");
  if (!element.classList.length) element.removeAttribute("class");
  if (translate === null) element.removeAttribute("translate");
  else element.setAttribute("translate", translate);
};

// The texts that a translator would rewrite, and that may hold raw TeX.
const texts = (root) => {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const found = root instanceof Text ? [root] : [];
  while (walker.nextNode()) found.push(walker.currentNode);
  return found.filter((text) => text.data.trim() && !text.parentElement.closest(SKIP));
};

const raw = (block) => texts(block).map((text) => text.data).join("");

// A translator that watches insertions only must see some. Each text is put back where it is: elements stay, and with
// them focus, scroll positions, media and what frameworks hold on to; the selection is laid anew.
const wake = (block) => {
  const selection = getSelection();
  const { anchorNode, anchorOffset, focusNode, focusOffset } = selection;
  const moved = texts(block);
  for (const text of moved) text.parentNode.insertBefore(text, text.nextSibling);
  if (moved.includes(anchorNode) || moved.includes(focusNode))
    selection.setBaseAndExtent(anchorNode, anchorOffset, focusNode, focusOffset);
};

export function protect(options = {}) {
  const { engine = "auto", late = true, katex, typeset: own, timeout = 10000 } = options;
  let { root = document.body, tex = TEX } = options;
  if (!(root instanceof Element)) {
    say(`root: ${name(root)} is not an element; it is the whole page now`);
    root = document.body;
  }
  tex = RegExp(tex, [...new Set(`${tex.flags}g`)].join(""));
  const id = `${ID}-${guards++}`;
  const held = new Map(); // block: false, or the marks it had before
  const marked = new WeakSet();
  let queue = Promise.resolve();
  let batch;
  let hooked;
  let off = false;

  const outputs = (block) => [block, ...block.querySelectorAll(OUTPUT)].filter((element) => element.matches(OUTPUT));

  const mark = (element) => {
    if (off || !(element instanceof Element) || element.matches(SET) || element.parentElement?.closest(OUTPUT)) return;
    set(element);
    marked.add(element);
  };

  // Have MathJax 3 or 4 mark its own output, whether it runs, is loaded, or is only configured.
  const hook = () => {
    const mathjax = window.MathJax;
    if (off || !mathjax || mathjax.Hub || hooked === mathjax) return;
    hooked = mathjax;
    const math = (item) => void (root.contains(item.start.node) && mark(item.typesetRoot));
    const action = [155, (doc) => void [...doc.math].forEach(math), math];
    const config = mathjax.config ?? mathjax;
    const actions = config.options?.renderActions;
    const doc = mathjax.startup?.document;
    if (doc && !actions?.[id]) doc.addRenderAction(id, ...action);
    else if (!doc) config.options = { ...config.options, renderActions: { ...actions, [id]: action } };
  };

  const hold = (block) => {
    if (!(block instanceof Element)) say(`hold: ${name(block)} is not an element`);
    else if (!held.has(block)) {
      held.set(block, !block.hasAttribute(UNTIL) && [block.matches(".notranslate"), block.getAttribute("translate")]);
      set(block);
    }
    return block;
  };

  const release = (block, typeset = false) => {
    if (!held.has(block)) return;
    const [had, translate] = held.get(block) || [];
    held.delete(block);
    unset(block, translate);
    if (had) block.classList.add("notranslate");
    block.removeAttribute(UNTIL);
    if (block.isConnected) texts(block).forEach(shield);
    wake(block);
    block.dispatchEvent(new CustomEvent(ID, { bubbles: true, detail: { typeset } }));
  };

  // What is still raw stays as it is, in spans of its own.
  const shield = (text) => {
    for (const match of off ? [] : [...text.data.matchAll(tex)].reverse()) {
      const found = text.splitText(match.index);
      found.splitText(match[0].length);
      const span = document.createElement("span");
      found.replaceWith(span);
      span.append(found);
      mark(span);
    }
  };

  const render = async (blocks) => {
    for (let left = timeout; !ENGINES[engine](); left -= 20) {
      if (left < 0) throw Error("no engine is loaded");
      await sleep(20);
    }
    if (engine === "katex" || !ENGINES.mathjax()) return blocks.forEach((block) => renderMathInElement(block, katex));
    hook();
    if (MathJax.Hub) return new Promise((done) => MathJax.Hub.Queue(["Typeset", MathJax.Hub, blocks], done));
    await MathJax.startup.promise;
    return MathJax.typesetPromise(blocks);
  };

  // One call of the engine at a time, for all that came meanwhile.
  const join = (blocks) => {
    if (!batch) {
      const mine = (batch = { blocks });
      queue = batch.work = queue.catch(() => {}).then(() => {
        batch = null;
        return (own ?? render)(mine.blocks);
      });
    } else batch.blocks.push(...blocks);
    return batch.work;
  };

  const typeset = async (...blocks) => {
    blocks = new Set(blocks.map(hold).filter((block) => held.has(block)));
    // A block within another one is typeset with it.
    const inner = (block) => (block = block.parentElement) && (blocks.has(block) || inner(block));
    const here = [...blocks].filter((block) => block.isConnected && !inner(block));
    let done = true;
    for (const block of blocks)
      if (!block.isConnected) {
        say(`typeset: ${name(block)} is not in the document`);
        done = false;
      }
    try {
      if (!own && !(engine in ENGINES)) throw Error(`there is no engine ${name(engine)}`);
      const late = sleep(timeout).then(() => Promise.reject(Error(`it took more than ${timeout} ms`)));
      await Promise.race([join(here), late]);
      here.flatMap(outputs).forEach(mark);
    } catch (error) {
      say(`typesetting ${here.map(name)} failed: ${error?.message ?? error}`);
      done = false;
    }
    blocks.forEach((block) => release(block, done && block.isConnected));
    return done;
  };

  // Guard and typeset what holds raw TeX, in the smallest blocks.
  const arrive = (node) => {
    const blocks = new Set(node.querySelectorAll?.(`[${UNTIL}]`));
    if (node.matches?.(`[${UNTIL}]`)) blocks.add(node);
    const parents = new Set(texts(node).map((text) => text.parentElement));
    for (const parent of parents) if (raw(parent).search(tex) >= 0) blocks.add(parent);
    if (blocks.size) typeset(...blocks);
  };

  const observer = new MutationObserver((records) => {
    for (const node of new Set(records.flatMap((record) => [...record.addedNodes]))) {
      if (!node.isConnected) continue;
      if (node instanceof Element) outputs(node).forEach(mark);
      if (late) arrive(node);
    }
  });

  const undo = () => {
    off = true;
    observer.disconnect();
    window.MathJax?.startup?.document?.removeRenderAction(id);
    for (const block of held.keys()) release(block);
    for (const element of root.querySelectorAll(".notranslate, [translate=no]")) if (marked.has(element)) unset(element);
  };

  if (!own && !(engine in ENGINES)) say(`there is no engine ${name(engine)}; it is ${Object.keys(ENGINES)}`);
  if (engine === "mathjax") window.MathJax ??= {};
  if (engine !== "katex") hook();
  outputs(root).forEach(mark);
  observer.observe(root, { childList: true, subtree: true });
  if (late) arrive(root);
  return { hold, typeset, release, undo };
}
