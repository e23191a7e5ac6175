// What a translator makes of a page of the book; to be run after translator.js.

const OTHER = ".math, .highlight, pre, code, script, style, noscript, textarea, mjx-container";

window.survey = () => {
  const formulas = [...document.querySelectorAll(".math")];
  const before = formulas.map((formula) => formula.innerHTML);
  translate(document.body, { delay: () => Infinity }).visit();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const sentences = [];
  while (walker.nextNode()) {
    const { data, parentElement } = walker.currentNode;
    if (/\p{L}{2}/u.test(data) && !parentElement.closest(OTHER)) sentences.push(walker.currentNode);
  }
  return {
    formulas: formulas.length,
    sentences: sentences.length,
    garbled: formulas.filter((formula, n) => formula.innerHTML !== before[n]).map((formula) => formula.textContent),
    untranslated: sentences.filter((text) => !text.parentElement.closest("font")).map((text) => text.data),
  };
};
