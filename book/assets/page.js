// In a block of its own: other scripts of the page assign to globals with names such as `button`.
{
  // What is wider than its box is set smaller first, if it is a formula. Then it scrolls in its box, which shows that it
  // does, and the keyboard must reach it. Boxes are opened, windows resized, and the fonts of formulas come late.
  const SMALLEST = 0.75;
  const fit = (target) => {
    const formula = target.querySelector(":scope > .katex-display > .katex");
    if (formula) {
      formula.style.fontSize = "";
      const share = target.firstElementChild.clientWidth / target.firstElementChild.scrollWidth;
      if (share < 1) formula.style.fontSize = `${Math.max(SMALLEST, share * 0.99) * 1.1}em`;
    }
    const box = formula ? target.firstElementChild : target;
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  };
  const boxes = document.querySelectorAll("article pre, article div.math, article table");
  const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => fit(target)));
  boxes.forEach((box) => sizes.observe(box));
  document.fonts.addEventListener("loadingdone", () => boxes.forEach(fit));

  // One switch for all code. Its state is in the address, so that a link can carry it, and goes along to other pages.
  const folds = document.querySelectorAll("details.code");
  const button = document.querySelector(".code-switch");
  const show = (open) => {
    folds.forEach((fold) => (fold.open = open));
    button.setAttribute("aria-pressed", open);
    for (const link of [location, ...document.querySelectorAll('a[href]:not([href^="#"])')]) { // those stay on this page
      if (link.origin !== location.origin) continue;
      const url = new URL(link.href);
      if (open) url.searchParams.set("code", "open");
      else url.searchParams.delete("code");
      if (link === location) history.replaceState(null, "", url);
      else link.href = url;
    }
  };
  button?.addEventListener("click", () => show(button.getAttribute("aria-pressed") === "false"));
  if (button && new URLSearchParams(location.search).get("code") === "open") show(true);

  // What has one colour lights up together: a word, by pointer or key, and its places in formulas and pictures.
  const term = (node) => [...(node.closest?.('[class*="t-"]')?.classList ?? [])].find((name) => /^t-[a-z]+$/.test(name));
  const light = (on) => (event) => {
    const name = term(event.target);
    if (name) document.querySelectorAll(`article .${name}`).forEach((node) => node.classList.toggle("lit", on));
  };
  for (const word of document.querySelectorAll('article span[class^="t-"]:not(.katex *)')) {
    word.tabIndex = 0;
    for (const [kind, on] of [["pointerenter", true], ["pointerleave", false], ["focus", true], ["blur", false]])
      word.addEventListener(kind, light(on));
  }

  // A broken variant is a button: it puts the red line in the place of the claim's green one, and marks what it breaks,
  // if it names a term, in the claim and in the formula that stands last before it.
  for (const button of document.querySelectorAll("button.break")) {
    const { claim, term } = button.dataset, words = button.textContent, line = button.nextElementSibling;
    const status = Object.assign(document.createElement("p"), { className: "check check-broken" });
    const green = [...document.querySelectorAll("p.check-pass")].find((one) => one.querySelector(`a[href="#${claim}"]`));
    const box = document.getElementById(claim);
    const before = [...box.closest("section").querySelectorAll("div.math")].filter(
      (formula) => term && formula.querySelector(`.t-${term}`) && button.compareDocumentPosition(formula) & Node.DOCUMENT_POSITION_PRECEDING,
    );
    const hurt = [box, ...before.slice(-1)].flatMap((place) => (term ? [...place.querySelectorAll(`.katex .t-${term}`)] : []));
    status.setAttribute("role", "status");
    status.hidden = true;
    green.after(status);
    button.addEventListener("click", () => {
      const whole = button.getAttribute("aria-pressed") === "true";
      button.setAttribute("aria-pressed", !whole);
      button.textContent = whole ? words : words.replace("Break", "Mend");
      hurt.forEach((node) => node.classList.toggle("hurt", !whole));
      [status.hidden, status.innerHTML] = [whole, whole ? "" : line.innerHTML];
      green.hidden = [...green.parentElement.querySelectorAll("p[role=status]")].some((one) => !one.hidden);
    });
  }

  // The ledger shows one chapter or one kind.
  const choices = document.querySelector(".ledger-filter");
  const [chapter, kind] = choices?.querySelectorAll("select") ?? [];
  const choose = () => {
    let shown = 0;
    for (const box of document.querySelectorAll(".ledger-chapter")) {
      const here = !chapter.selectedIndex || box.querySelector(".rubric").textContent === chapter.value;
      for (const row of box.querySelectorAll("tbody tr"))
        shown += !(row.hidden = !here || (kind.selectedIndex && row.cells[1].textContent !== kind.value));
      box.hidden = !box.querySelector("tbody tr:not([hidden])");
    }
    choices.querySelector("output").textContent = `${shown} rows`;
  };
  if (choices) choices.hidden = false;
  choices?.addEventListener("change", choose);

  // Paper is white: the light theme prints, whatever the screen shows.
  const root = document.documentElement;
  let theme;
  addEventListener("beforeprint", () => ([theme, root.dataset.theme] = [root.dataset.theme, "light"]));
  addEventListener("afterprint", () => (root.dataset.theme = theme));

  // A link to what lies in a fold opens it, and one to a row of the ledger that is not shown shows all.
  const arrive = () => {
    const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    let opened = false;
    if (choices && place?.closest("[hidden]")) {
      chapter.selectedIndex = kind.selectedIndex = 0;
      choose();
      opened = true;
    }
    for (let box = place; box; box = box.parentElement) {
      if (box.matches("details:not([open])")) opened = box.open = true;
      if (!box.matches(".toggle-hidden")) continue;
      box.querySelector(":scope > .admonition-title > .toggle-button").click();
      opened = true;
    }
    if (opened) place.scrollIntoView();
  };
  addEventListener("hashchange", arrive);
  addEventListener("load", arrive);
  document.addEventListener("click", ({ target }) => {
    if (location.hash && target.closest?.(`a[href="${location.hash}"]`)) arrive(); // no change, and perhaps closed again
  });

  // A link in the title of a dropdown box is followed: sphinx-togglebutton would take the click and throw.
  for (const link of document.querySelectorAll(".admonition-title a"))
    link.addEventListener("click", (event) => event.stopPropagation());

  // Excerpts in the results of a search are read from the pages, and from a disk no page can be asked for them.
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}
