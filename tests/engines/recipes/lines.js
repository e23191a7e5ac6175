const inOneTask = (p, box) => { // KaTeX
  box.append(p);
  renderMathInElement(p);
  mark(p);
};
const offThePage = async (p, box) => { // MathJax 3 and 4
  await MathJax.typesetPromise([p]);
  mark(p);
  box.append(p);
};
const sourceMarked = (p, box) => { // MathJax 2.7
  wrap(p);
  box.append(p);
  MathJax.Hub.Queue(["Typeset", MathJax.Hub, p]);
};
const mark = (p) => {
  for (const formula of p.querySelectorAll("mjx-container, .katex"))
    formula.classList.add("notranslate");
};
const wrap = (p) => { // each \(…\) and \[…\]
  const source = /\\\(.*?\\\)|\\\[.*?\\\]/gs;
  const span = '<span class="notranslate">$&</span>';
  p.innerHTML = p.innerHTML.replace(source, span);
};
