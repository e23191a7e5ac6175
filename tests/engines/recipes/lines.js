const wrapSource = (p, box) => { // 1, MathJax 2.7
  wrap(p);
  box.append(p);
  MathJax.Hub.Queue(["Typeset", MathJax.Hub, p]);
};
const inOneTask = (p, box) => { // 2, KaTeX
  box.append(p);
  renderMathInElement(p);
  mark(p);
};
const offThePage = async (p, box) => { // 3, MathJax 3 and 4
  await MathJax.typesetPromise([p]);
  mark(p);
  box.append(p);
};
const wrap = (p) => { // each \(…\) and \[…\]
  const source = /\\\(.*?\\\)|\\\[.*?\\\]/gs;
  const span = '<span class="notranslate">$&</span>';
  p.innerHTML = p.innerHTML.replace(source, span);
};
const mark = (p) => {
  for (const formula of p.querySelectorAll("mjx-container, .katex"))
    formula.classList.add("notranslate");
};
