// What is in view first, as a whole; then a few formulas at a time, so that the page stays responsive.
const typeset = async () => {
  await MathJax.startup.promise;
  const place = new Map();
  for (const formula of document.querySelectorAll(".math")) {
    const { top, bottom } = formula.getBoundingClientRect();
    place.set(formula, bottom > 0 ? top : 1e9);
  }
  const formulas = [...place.keys()].sort((a, b) => place.get(a) - place.get(b));
  let count = formulas.filter((formula) => place.get(formula) < innerHeight).length;
  while (formulas.length) {
    const batch = formulas.splice(0, count);
    await MathJax.typesetPromise(batch);
    batch.forEach((formula) => sizes.observe(formula));
    // By now the browser knows which of MathJax's fonts the formulas in view need.
    await document.fonts.ready;
    document.documentElement.classList.add("typeset");
    await new Promise((next) => setTimeout(next));
    count = 12;
  }
};

// What is wider than its box scrolls in it, and then the keyboard must reach it; boxes are opened and windows resized.
const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const box = target.matches("pre") ? target : target.querySelector(":scope > mjx-container[display]");
    if (box) box.tabIndex = box.scrollWidth > box.clientWidth ? 0 : -1;
  }
});
addEventListener("load", () => document.querySelectorAll("article pre").forEach((pre) => sizes.observe(pre)));

if (window.MathJax) typeset();

// A link in the title of a dropdown box is followed: sphinx-togglebutton would take the click and throw.
for (const link of document.querySelectorAll(".admonition-title a"))
  link.addEventListener("click", (event) => event.stopPropagation());

// Excerpts in the results of a search have no formulas and no code: either would be raw.
addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return;
  const { htmlToText } = Search;
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    page.querySelectorAll(".math, .highlight").forEach((raw) => raw.replaceWith("…"));
    return htmlToText(page.documentElement.outerHTML, anchor);
  };
});
