// The essay's order, MathJax 2.7
const guardFirst = (p, box) => {
  p.classList.add("notranslate"); // guard
  box.append(p); // insert
  MathJax.Hub.Queue(["Typeset", MathJax.Hub, p], () => {
    mark(p);
    p.classList.remove("notranslate"); // release
  });
};
// 2, MathJax 3 and 4: a copy loads what p needs
const copyFirst = (p, box) =>
  inTurn(p, box, async () => {
    await MathJax.typesetPromise([p.cloneNode(true)]);
    box.append(p);
    MathJax.typeset([p]);
    mark(p);
  });
// 1, MathJax 2.7
const wrapSource = (p, box) => {
  wrap(p);
  box.append(p);
  MathJax.Hub.Queue(["Typeset", MathJax.Hub, p]);
};
// 2, KaTeX
const inOneTask = (p, box) => {
  box.append(p);
  renderMathInElement(p, { throwOnError: false });
  mark(p);
};
// 3, MathJax 3 and 4
const offThePage = (p, box) =>
  inTurn(p, box, async () => {
    await MathJax.typesetPromise([p]);
    mark(p);
    box.append(p);
  });
// MathJax 3 and 4: a block waits until the one before it is done
let last = Promise.resolve();
const inTurn = (p, box, bring) => {
  last = last.then(bring).catch(() => {
    MathJax.typesetClear(); // a part is missing: empty MathJax's list,
    wrap(p); // leave the source of p,
    box.append(p); // and let it come in any case
  });
  return last;
};
// finds \(…\) and \[…\] up to the first end, in braces too: see the text;
// drops what listens inside p: call it first
const wrap = (p) => {
  const source = /<(?:"[^"]*"|[^">])*>|(?<!\\)(\\\(.*?\\\)|\\\[.*?\\\])/gs;
  const span = (found, tex) => // a tag stays, with TeX in its attributes
    tex ? `<span class="notranslate">${tex}</span>` : found;
  p.innerHTML = p.innerHTML.replace(source, span);
};
const mark = (p) => {
  const engines = "mjx-container, .katex, .MathJax"; // 3 and 4, KaTeX, 2.7
  const more = ".katex-error, .MathJax_CHTML, .MathJax_SVG"; // errors, 2.7
  for (const formula of p.querySelectorAll(`${engines}, ${more}`))
    formula.setAttribute("translate", "no");
};
