// How an open-source page translator goes through a page: Translate Web Pages (github.com/FilipePS/Traduzir-paginas-web,
// src/contentScript/pageTranslator.js at commit 0ac8571, MPL-2.0), rewritten after what that file does, in our own code.
//
// Texts that only inline elements part make a piece, which is translated as a whole; each text gets its share back, in a
// <font>. Left alone: what is marked, code, SVG, editors. It watches insertions of elements that are not inline, and
// no attributes; at each tick (every two seconds, by a timer) it looks at those that were not removed meanwhile.
// Not repeated here: it translates only what is on screen, and asks a server, which may move words between texts.

import { foreign } from "../../book/assets/translator.js";

const INLINE = "#text a abbr acronym b bdo big cite dfn em i label q s small span strong sub u tt var".split(" ");
const ALONE = "br code kbd wbr pre title script style textarea svg template".split(" ");
const name = (node) => node.nodeName.toLowerCase();
const passed = (node) =>
  ALONE.includes(name(node)) || node.classList.contains("notranslate") || node.getAttribute("translate") === "no" || node.isContentEditable;

/** The texts below a node, in the pieces that are translated together. */
export function pieces(root) {
  const found = [[]];
  const part = () => found.at(-1).length && found.push([]);
  const walk = (node) => {
    if (node.nodeType === Node.TEXT_NODE && node.data.trim()) found.at(-1).push(node);
    if (node.nodeType !== Node.ELEMENT_NODE) return;
    if (passed(node)) return part();
    for (const child of node.childNodes) {
      const inline = INLINE.includes(name(child));
      if (!inline) part();
      walk(child);
      if (!inline) part();
    }
  };
  walk(root);
  return found.filter((texts) => texts.length);
}

/** A translator of `root` with the methods of translator.js. */
export function pageTranslator(root) {
  const done = new Set();
  let [added, removed] = [[root], []];
  const note = (records) => {
    for (const { addedNodes, removedNodes } of records) {
      added.push(...[...addedNodes].filter((node) => !INLINE.includes(name(node)) && !ALONE.includes(name(node))));
      removed.push(...removedNodes);
    }
  };
  const observer = new MutationObserver(note);
  observer.observe(root, { childList: true, subtree: true });
  const visit = () => {
    note(observer.takeRecords());
    const nodes = added.filter((node) => !removed.includes(node));
    [added, removed] = [[], []];
    for (const texts of nodes.flatMap(pieces).filter((texts) => !texts.some((text) => done.has(text)))) {
      const translated = foreign(texts.map((text) => text.data).join(""));
      let at = 0;
      for (const text of texts) {
        const font = document.createElement("font");
        font.textContent = translated.slice(at, (at += text.data.length));
        text.replaceWith(font);
        done.add(font.firstChild);
      }
    }
    observer.takeRecords(); // its own changes
  };
  return { visit, stop: () => observer.disconnect() };
}
