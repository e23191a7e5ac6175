// A stand-in for the translator of a browser, with the habits that matter to formulas: it walks text nodes, passes over
// what is marked `notranslate` or `translate="no"`, puts what it has rewritten into <font>, and watches for changes.
//
//   const translator = translate(document.body, { delay: () => 300, attributes: true });
//   translator.visit();   translate now what is waiting
//   translator.stop();    watch no longer; stop(true) also shows the original again
//
// delay       milliseconds between a change and the visit to it, asked anew at each change; null: at once, in the
//             observer's own callback; Infinity: never by itself
// attributes  false for a translator that notices inserted nodes only, and not that a mark is taken off

const SKIP = "script, style, noscript, textarea, .notranslate, [translate=no]";
const LETTERS = { a: "á", c: "ç", e: "ë", i: "ï", n: "ñ", o: "ô", r: "ř", s: "š", t: "ţ", u: "ü", y: "ý", z: "ž" };

/** The language it translates to: English with accents, in words of two letters or more. */
export const foreign = (text) =>
  text.replace(/[a-z]{2,}/gi, (word) => word.replace(/[aceinorstuyz]/g, (letter) => LETTERS[letter]));

export function translate(root = document.body, { delay = () => 300, attributes = true, onvisit = () => {} } = {}) {
  const originals = new Map();
  const waiting = new Set();

  const rewrite = (text) => {
    if (!text.data.trim() || text.parentElement?.closest(SKIP) || text.parentElement?.closest("font")) return;
    const [outer, inner] = [document.createElement("font"), document.createElement("font")];
    inner.textContent = foreign(text.data);
    outer.append(inner);
    text.replaceWith(outer);
    originals.set(outer, text);
  };

  const visit = (nodes = waiting) => {
    note(observer.takeRecords());
    for (const node of [...nodes]) {
      waiting.delete(node);
      if (!root.contains(node)) continue;
      onvisit(node);
      const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
      const texts = node.nodeType === Node.TEXT_NODE ? [node] : [];
      while (walker.nextNode()) texts.push(walker.currentNode);
      texts.forEach(rewrite);
    }
    observer.takeRecords(); // its own changes
  };

  const schedule = (nodes) => {
    nodes.forEach((node) => waiting.add(node));
    const wait = delay();
    if (wait === null) visit(nodes);
    else if (wait < Infinity) setTimeout(() => waiting.size && visit(nodes.filter((node) => waiting.has(node))), wait);
  };

  const note = (records) => {
    const nodes = new Set(records.flatMap((r) => (r.type === "attributes" ? [r.target] : [...r.addedNodes])));
    if (nodes.size) schedule([...nodes]);
  };

  const observer = new MutationObserver(note);
  observer.observe(root, { childList: true, subtree: true, attributes, ...(attributes && { attributeFilter: ["class", "translate"] }) });
  schedule([root]);

  const stop = (restore = false) => {
    observer.disconnect();
    waiting.clear();
    if (restore) for (const [font, text] of originals) font.replaceWith(text);
  };
  return { visit, stop, waiting };
}
