/*! notranslate-math 1.0.0: formulas stay whole while a browser translates the page. MIT licence. */
// protect(options) gives { hold, typeset, release, undo }: see README.md and notranslate-math.d.ts beside this file.

// MathJax 2.7 cuts off the last class of its frames, whichever it is, while it works; if that is ours, the formula stays
// hidden. So it gets the attribute alone. Its frames are inserted empty, and marked before they are filled.
const MATHJAX2 =
  ":is(.MathJax, .MathJax_CHTML, .MathJax_SVG, .MathJax_MathML, .MathJax_Display, .MathJax_SVG_Display, " +
  ".MJXc-display, .MathJax_Preview):not(mjx-container)";
const OUTPUT = `mjx-container, .katex, .katex-error, ${MATHJAX2}`;
const SOURCE = '[contenteditable]:not([contenteditable="false" i])'; // here text is source, whatever it looks like
const SKIP = `script, style, noscript, textarea, select, pre, code, ${SOURCE}, .notranslate, [translate=no], ${OUTPUT}`;
const SET = `.notranslate[translate=no], ${MATHJAX2}[translate=no]`;
const UNTIL = "data-until-typeset";
const ID = "notranslate-math";
const TRIES = 20; // guards of one element for formulas without an end
const TEX = { inlineMath: [["\\(", "\\)"]], displayMath: [["$$", "$$"], ["\\[", "\\]"]] };
const AMS = ["equation", "align", "alignat", "gather", "CD"].map((name) => [`\\begin{${name}}`, `\\end{${name}}`]);
const ENGINES = {
  mathjax: () => window.MathJax?.Hub || window.MathJax?.startup?.promise,
  katex: () => window.renderMathInElement,
  auto: () => ENGINES.mathjax() || ENGINES.katex(),
};

const guards = new Set();
let count = 0;

const say = (what) => console.warn(`${ID}: ${what}`);
const name = (thing) =>
  thing instanceof Element ? `<${thing.localName}${thing.id && ` id="${thing.id}"`}>` : JSON.stringify(thing);
const sleep = (time) => new Promise((done) => setTimeout(done, time));
const quote = (text) => text.replace(/[^\w\s]/g, "\\$&");

// The guards see what others have changed until now, and nothing of this change.
const quietly = (change) => {
  for (const guard of guards) guard.note();
  change();
  for (const guard of guards) guard.observer.takeRecords();
};

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

// Engines look for a formula in a run: texts side by side, with nothing but comments and line breaks between them.
const joins = (node) => node instanceof Text || node instanceof Comment || ["BR", "WBR"].includes(node?.nodeName);
const run = (text) => {
  while (joins(text.previousSibling)) text = text.previousSibling;
  const nodes = [text];
  while (joins(nodes.at(-1).nextSibling)) nodes.push(nodes.at(-1).nextSibling);
  const parts = nodes.map((node) => (node instanceof Text ? node.data : node.nodeName === "BR" ? "\n" : ""));
  return { parent: text.parentElement, nodes, parts, data: parts.join("") };
};

// The formulas of a run as [start, end], and whether one begins that does not end, by the rules of the engines.
const scan = (data, { pairs, environments, escapes, refs }) => {
  const starts = pairs.map(([left]) => quote(left)).sort((a, b) => b.length - a.length);
  if (escapes) starts.unshift("\\\\[\\\\$]");
  if (environments) starts.push("\\\\begin\\s*\\{([^}]*)\\}");
  if (refs) starts.push("\\\\(?:eq)?ref\\s*\\{[^}]*\\}");
  const formulas = [];
  let unfinished = false;
  if (!starts.length) return { formulas, unfinished };
  const start = RegExp(starts.join("|"), "g");
  for (let match; (match = start.exec(data)); ) {
    const [left, environment] = match;
    let right = pairs.find((pair) => pair[0] === left)?.[1];
    if (environment !== undefined) right ??= `\\end{${environment}}`;
    if (!right) {
      if (left.length > 2) formulas.push([match.index, start.lastIndex]); // a reference; else an escape
      continue;
    }
    const first = data.indexOf(right, start.lastIndex);
    if (first < 0) {
      unfinished = true;
      continue;
    }
    const step = RegExp(`${quote(right)}|\\\\[^]|[{}]`, "g");
    step.lastIndex = start.lastIndex;
    let [depth, end] = [0, step.exec(data)];
    for (; end && (end[0] !== right || depth); end = step.exec(data))
      depth = Math.max(0, depth + (end[0] === "{") - (end[0] === "}"));
    // One whose braces do not match is for no engine, and to be left as it is.
    formulas.push([match.index, (start.lastIndex = end ? step.lastIndex : first + right.length)]);
  }
  return { formulas, unfinished };
};

// Put a part of a run into a span of its own.
const wrap = ({ nodes, parts }, [start, end]) => {
  const span = document.createElement("span");
  const inner = [];
  nodes.forEach((node, n) => {
    const size = parts[n].length;
    if (start < size && end > 0 && size) {
      if (node instanceof Text && end < size) node.splitText(end);
      inner.push(node instanceof Text && start > 0 ? node.splitText(start) : node);
    } else if (!size && start < 0 && end > 0) inner.push(node);
    start -= size;
    end -= size;
  });
  inner[0].before(span);
  span.append(...inner);
  return span;
};

// What lies between prose must not be guarded with it: blocks, and places that are not for the engine.
const contains = (parent) =>
  parent.querySelector(SOURCE) ||
  [...parent.children].some(
    (child) =>
      !child.matches(OUTPUT) &&
      !/^(inline|none|contents|ruby)/.test(getComputedStyle(child).display) &&
      child.textContent.trim(),
  );

export function protect(options = {}) {
  const { engine = "auto", late = true, katex, delimiters, typeset: own, timeout = 10000, settle = 500 } = options;
  let { root = "body" } = options;
  try {
    if (!(root instanceof Node)) document.querySelector(`:not(*), ${root}`);
    if (!root) throw root;
  } catch {
    say(`root: ${name(root)} is not an element; it is the whole page now`);
    root = "body";
  }
  const id = `${ID}-${count++}`;
  const held = new Map(); // block: what it was like before, and the timer that will release it
  const marked = new WeakSet();
  const spans = new WeakSet(); // those that are ours
  const tries = new WeakMap();
  const kept = new WeakMap(); // what the engine knew of a formula that has left the page
  let queue = Promise.resolve();
  let [records, gone] = [[], []];
  let batch, hooked, stage, lost;
  let working = 0;
  let off = false;

  const within = (node) =>
    typeof root === "string"
      ? (node instanceof Element ? node : node.parentElement)?.closest(root)
      : root.contains(node) || stage?.contains(node);
  const roots = (node = document) => {
    if (within(node)) return [node];
    if (typeof root === "string") return [...(node.querySelectorAll?.(root) ?? [])];
    return node.contains(root) || node === document ? [root] : [];
  };

  // How the engine finds formulas, and where it does not look, as it is configured at the time.
  const rules = () => {
    const mathjax = window.MathJax;
    const doc = mathjax?.startup?.document;
    const config = mathjax?.config ?? mathjax ?? {};
    const tex2jax = { ...mathjax?.Extension?.tex2jax?.config, ...(mathjax?.Hub?.config ?? mathjax)?.tex2jax };
    const tex = doc?.inputJax.find((jax) => jax.findTeX)?.findTeX.options ?? { ...tex2jax, ...config.tex };
    const dom = doc?.domStrings?.options ?? config.options ?? {};
    const list = (key) => (Array.isArray(tex[key]) ? tex[key] : [...TEX[key], ...(tex[key]?.["[+]"] ?? [])]);
    const by = engine === "katex" || (engine === "auto" && !mathjax && (katex || ENGINES.katex()));
    const classes = (...names) => names.flat().join("|").match(/[^|]+/g)?.map((one) => `.${CSS.escape(one)}`) ?? [];
    if (by) {
      const pairs = katex?.delimiters?.map(({ left, right }) => [left, right]);
      return {
        pairs: delimiters ?? pairs ?? [...Object.values(TEX).flat(), ...AMS],
        skip: [...(katex?.ignoredTags ?? []), ...classes(katex?.ignoredClasses)].join(),
      };
    }
    return {
      pairs: delimiters ?? [...list("inlineMath"), ...list("displayMath")],
      environments: tex.processEnvironments ?? true,
      escapes: tex.processEscapes ?? !mathjax?.Hub,
      refs: tex.processRefs ?? true,
      skip: classes(dom.ignoreHtmlClass ?? "mathjax_ignore", tex2jax.ignoreClass ?? "tex2jax_ignore").join(),
      yet: classes(dom.processHtmlClass ?? "mathjax_process", tex2jax.processClass ?? "tex2jax_process").join(),
    };
  };

  // The texts that a translator would rewrite but for our guards.
  const texts = (node, { skip, yet } = {}) => {
    const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
    const found = node instanceof Text ? [node] : [];
    while (walker.nextNode()) found.push(walker.currentNode);
    const ours = (element) => held.has(element) && !held.get(element).had;
    return found.filter((text) => {
      let place = text.parentElement?.closest(SKIP);
      while (place && ours(place) && !place.matches(SOURCE)) place = place.parentElement?.closest(SKIP);
      if (place || !text.parentElement) return false;
      const ignored = skip && text.parentElement.closest(yet ? `${skip}, ${yet}` : skip);
      return !(ignored && ignored.matches(skip));
    });
  };

  const runs = (nodes, how) => {
    const seen = new Set();
    const found = [];
    for (const node of nodes)
      for (const text of texts(node, how))
        if (!seen.has(text)) {
          const one = run(text);
          one.nodes.forEach((part) => seen.add(part));
          found.push(Object.assign(one, scan(one.data, how)));
        }
    return found;
  };
  const raw = (blocks) =>
    runs(blocks, rules()).flatMap(({ data, formulas }) => formulas.map((formula) => data.slice(...formula)));

  const outputs = (node) =>
    node instanceof Element ? [node, ...node.querySelectorAll(OUTPUT)].filter((one) => one.matches(OUTPUT)) : [];

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
    const math = (item) => void (within(item.start.node) && mark(item.typesetRoot));
    const action = [155, (doc) => void [...doc.math].forEach(math), math];
    const config = mathjax.config ?? mathjax;
    const actions = config.options?.renderActions;
    const doc = mathjax.startup?.document;
    if (doc && !actions?.[id]) doc.addRenderAction(id, ...action);
    else if (!doc) config.options = { ...config.options, renderActions: { ...actions, [id]: action } };
  };

  // What the engine remembers: the labels, and of MathJax 3 and 4 the list of formulas.
  const memory = () => {
    const { Hub, Extension, startup } = window.MathJax ?? {};
    const doc = Hub ? null : startup?.document;
    const tags = doc?.inputJax.find((jax) => jax.findTeX)?.parseOptions.tags;
    const ams = Extension?.["TeX/AMSmath"];
    return { doc, labels: tags?.allLabels ?? ams?.labels ?? {}, ids: tags?.allIds ?? ams?.IDs ?? {} };
  };
  const scripts = (node) => [...(node.querySelectorAll?.("script[type^='math/tex']") ?? [])];

  const forget = (nodes) => {
    if (!nodes.length) return;
    const { doc, labels, ids } = memory();
    const away = ({ start: { node } }) => node && !node.isConnected && nodes.some((one) => one.contains(node));
    const items = doc ? [...doc.math].filter(away) : nodes.flatMap(scripts);
    for (const item of items) {
      const names = [...(item.math ?? item.text).matchAll(/\\label\s*\{([^{}]*)\}/g)].map((match) => match[1]);
      const entries = names.filter((label) => labels[label]).map((label) => [label, labels[label]]);
      for (const [label, { id }] of entries) {
        delete labels[label];
        delete ids[id];
      }
      if (doc) doc.math.remove(item);
      kept.set(item.typesetRoot ?? item, { item, entries });
    }
  };

  const recall = (node) => {
    const { doc, labels, ids } = memory();
    for (const key of [...outputs(node), ...scripts(node)]) {
      const { item, entries } = kept.get(key) ?? {};
      if (!item) continue;
      kept.delete(key);
      doc?.math.push(item);
      for (const [label, entry] of entries) {
        labels[label] ??= entry;
        ids[entry.id] = true;
      }
    }
  };

  const hold = (block) => {
    if (!(block instanceof Element)) say(`hold: ${name(block)} is not an element`);
    else if (!held.has(block)) {
      const state = { until: Date.now() + timeout };
      if (!block.hasAttribute(UNTIL))
        Object.assign(state, { had: block.matches(".notranslate"), translate: block.getAttribute("translate") });
      held.set(block, state);
      set(block);
      wait(block, timeout, () => {
        say(`hold: ${name(block)} was neither typeset nor released within ${timeout} ms`);
        release(block);
      });
    }
    return block;
  };
  const wait = (block, time, action) => {
    const state = held.get(block);
    clearTimeout(state.timer);
    state.timer = action && setTimeout(action, Math.max(0, Math.min(time, state.until - Date.now())));
  };

  // What is still raw stays as it is, in spans of its own.
  const shield = (block) => {
    for (const found of off ? [] : runs([block], rules()))
      for (const formula of found.formulas.reverse()) {
        const span = wrap(run(found.nodes[0]), formula);
        spans.add(span);
        mark(span);
      }
  };

  // A translator that watches insertions only must see some. Each text is put back where it is: elements stay, and with
  // them focus, scroll positions, media and what frameworks hold on to; the selection is laid anew.
  const wake = (block) => {
    const selection = getSelection();
    const { anchorNode, anchorOffset, focusNode, focusOffset } = selection;
    const moved = texts(block).filter((text) => text.data.trim() && !text.parentElement.closest("font"));
    for (const text of moved) text.parentNode.insertBefore(text, text.nextSibling);
    if (moved.includes(anchorNode) || moved.includes(focusNode))
      selection.setBaseAndExtent(anchorNode, anchorOffset, focusNode, focusOffset);
  };

  const release = (block, typeset = false) => {
    if (!held.has(block)) return;
    const { had, translate, timer } = held.get(block);
    const place = spans.has(block) ? block.parentElement : block;
    clearTimeout(timer);
    quietly(() => {
      if (block.isConnected || typeset) shield(block);
      held.delete(block);
      unset(block, translate);
      if (had) block.classList.add("notranslate");
      block.removeAttribute(UNTIL);
      if (spans.has(block)) block.replaceWith(...block.childNodes);
      else wake(block);
    });
    place?.dispatchEvent(new CustomEvent(ID, { bubbles: true, detail: { typeset } }));
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
      const mine = (batch = { blocks: [...blocks] });
      queue = batch.work = queue.catch(() => {}).then(() => {
        batch = null;
        return (own ?? render)(mine.blocks);
      });
    } else batch.blocks.push(...blocks);
    return batch.work;
  };

  // Engines measure, so what is not in the page stands in it unseen while it is typeset. Gives the way back.
  const board = (block) => {
    if (!stage?.isConnected) {
      stage = document.createElement("div");
      stage.style.cssText = "position:absolute;left:0;right:0;top:0;height:0;overflow:hidden;visibility:hidden";
      set(stage);
    }
    const [place] = roots();
    const gap = block.parentNode && document.createComment("");
    quietly(() => {
      if (gap) block.replaceWith(gap);
      (place?.isConnected ? place : document.body).append(stage);
      stage.append(block);
    });
    return () =>
      quietly(() => {
        if (block.parentNode === stage) block.remove();
        if (gap?.parentNode && !block.parentNode) gap.replaceWith(block);
        else gap?.remove();
        if (!stage.firstChild) stage.remove();
        if (!block.isConnected) forget([block]);
      });
  };

  const typeset = async (...blocks) => {
    blocks = new Set(blocks.map(hold).filter((block) => held.has(block)));
    blocks.forEach((block) => wait(block));
    // A block within another one is typeset with it.
    const inner = (block) => (block = block.parentElement) && (blocks.has(block) || inner(block));
    const here = [...blocks].filter((block) => !inner(block));
    const back = here.filter((block) => !block.isConnected).map(board);
    const tried = new Set();
    let done = true;
    working++;
    try {
      if (!own && !(engine in ENGINES)) throw Error(`there is no engine ${name(engine)}`);
      const late = sleep(timeout).then(() => Promise.reject(Error(`it took more than ${timeout} ms`)));
      late.catch(() => {});
      // Once more for what came meanwhile; what the engine has left alone once is not for it.
      for (let left = raw(here); !tried.size || left.some((tex) => !tried.has(tex)); left = raw(here)) {
        left.concat("").forEach((tex) => tried.add(tex));
        await Promise.race([join(here), late]);
      }
      here.flatMap(outputs).forEach(mark);
    } catch (error) {
      say(`typesetting ${here.map(name)} failed: ${error?.message ?? error}`);
      done = false;
    }
    if (!--working) forget(gone.splice(0)); // what the engine took up and the page gave up meanwhile
    back.forEach((action) => action());
    blocks.forEach((block) => release(block, done));
    return done;
  };

  const keeper = (node) => {
    while (node && !held.has(node)) node = node.parentElement;
    return node;
  };

  const finish = (block) => {
    if (raw([block]).length) typeset(block);
    else release(block);
  };

  // Guard and typeset what holds raw TeX, in the smallest blocks; what still changes or is not finished, when it is.
  const arrive = (nodes, changed = false) => {
    const blocks = new Set();
    const later = new Set();
    for (const node of nodes) {
      if (node.matches?.(`[${UNTIL}]`)) blocks.add(node);
      for (const block of node.querySelectorAll?.(`[${UNTIL}]`) ?? []) blocks.add(block);
      const block = keeper(node);
      if (held.get(block)?.settling) later.add(block);
    }
    for (const { parent, nodes: [first], formulas, unfinished } of runs(nodes, rules())) {
      if ((!formulas.length && !unfinished) || keeper(parent)) continue;
      const tried = tries.get(parent) ?? 0;
      const open = unfinished && tried < TRIES;
      if (contains(parent))
        quietly(() => {
          for (const formula of formulas.reverse()) {
            const span = wrap(run(first), formula);
            spans.add(span);
            blocks.add(span);
          }
        });
      else if (open || (changed && formulas.length)) {
        if (open) tries.set(parent, tried + 1);
        later.add(parent);
      } else if (formulas.length) blocks.add(parent);
    }
    for (const block of later) {
      held.get(hold(block)).settling = true;
      wait(block, settle, () => finish(block));
      blocks.delete(block);
    }
    if (blocks.size) typeset(...blocks);
  };

  const look = (list) => {
    const [added, changed, removed] = [new Set(), new Set(), []];
    for (const { type, target, addedNodes, removedNodes, previousSibling, nextSibling } of list) {
      if (type === "characterData" && target.isConnected && within(target)) changed.add(target);
      for (const node of addedNodes) if (node.isConnected) roots(node).forEach((part) => added.add(part));
      const away = [...removedNodes].filter((node) => !node.isConnected && (within(target) || roots(node).length));
      removed.push(...away);
      // What stood on both sides is one text now.
      for (const node of away.length ? [previousSibling, nextSibling] : [])
        if (node instanceof Text && node.isConnected) added.add(node);
      if (away.some((node) => root instanceof Node && node.contains(root)) && !lost)
        say((lost = `root: ${name(root)} has left the page; a selector as root follows its successors`));
    }
    if (late) forget(removed);
    if (late && working) gone.push(...removed);
    for (const node of added) {
      outputs(node).forEach(mark);
      recall(node);
    }
    if (late && added.size) arrive(added);
    if (late && changed.size) arrive(changed, true);
  };

  const flush = () => {
    while (records.length && !off) look(records.splice(0));
  };
  const observer = new MutationObserver((list) => {
    records.push(...list);
    flush();
  });
  const guard = {
    observer,
    note() {
      if (records.push(...observer.takeRecords())) queueMicrotask(flush);
    },
  };

  const undo = () => {
    off = true;
    observer.disconnect();
    guards.delete(guard);
    window.MathJax?.startup?.document?.removeRenderAction(id);
    for (const block of held.keys()) release(block);
    for (const element of document.querySelectorAll(".notranslate, [translate=no]")) {
      if (marked.has(element)) unset(element);
      if (spans.has(element)) quietly(() => element.replaceWith(...element.childNodes));
    }
  };

  if (!own && !(engine in ENGINES)) say(`there is no engine ${name(engine)}; it is ${Object.keys(ENGINES)}`);
  if (engine === "mathjax") window.MathJax ??= {};
  if (engine !== "katex") hook();
  roots().flatMap(outputs).forEach(mark);
  guards.add(guard);
  const all = { childList: true, characterData: true, subtree: true };
  observer.observe(document, all);
  if (root instanceof Node && root.getRootNode() !== document) observer.observe(root.getRootNode(), all);
  if (late) arrive(roots());
  return { hold, typeset, release, undo };
}
