// Each recipe brings a paragraph p, not yet in the page, into the element box.
const inOneTask = (p, box) => {
  box.append(p);
  renderMathInElement(p); // KaTeX; in MathJax 3 and 4: MathJax.typeset([p])
  mark(p);
};

const offThePage = async (p, box) => {
  await MathJax.typesetPromise([p]); // MathJax 3 and 4
  mark(p);
  box.append(p);
};

const sourceMarked = (p, box) => {
  wrap(p);
  box.append(p);
  MathJax.Hub.Queue(["Typeset", MathJax.Hub, p]); // MathJax 2.7
};

const FORMULA = "mjx-container, .MathJax, .MathJax_CHTML, .MathJax_SVG, .katex";
const mark = (p) =>
  p.querySelectorAll(FORMULA).forEach((formula) => formula.classList.add("notranslate"));

const SOURCE = /\\\(.*?\\\)|\\\[.*?\\\]/gs; // \(…\) or \[…\]
const wrap = (p) => {
  p.innerHTML = p.innerHTML.replace(SOURCE, '<span class="notranslate">$&</span>');
};
