// Pictures that move: what moves one is a script beside the page, loaded when the picture comes near. Scripts and data
// addresses can be read where a page is opened without a server, modules of their own and fetched files cannot.
{
  const waiting = new Map();
  const fail = (el, error) => {
    console.error(error);
    el.querySelectorAll("input, button").forEach((control) => (control.disabled = true));
    const see = el.querySelector(".see");
    see.classList.remove("unseen");
    see.textContent = "This picture cannot move, for its script did not load: reload the page, or run the notebook.";
  };
  const load = (el) => {
    near.unobserve(el);
    const script = document.createElement("script");
    const { src } = el.querySelector(".moving").dataset;
    waiting.set(src.match(/([^/]+)\.js/)[1], el);
    script.src = src;
    script.addEventListener("error", () => fail(el, `${src} did not load`));
    document.head.append(script);
  };
  const near = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => load(entry.target)),
    { rootMargin: "1000px" },
  );
  // What a hand asks for before the script is there is done when it comes.
  const asked = new Map();
  const keep = ({ type, target, currentTarget: el }) => {
    const control = target.closest(type === "click" ? "button" : "input[type=range]");
    if (control && !("live" in el.dataset)) asked.get(el).push([control, control.value]);
  };
  const replay = (el) => {
    for (const [control, value] of asked.get(el)) {
      if (control.matches("button")) control.click();
      else {
        control.value = value;
        control.dispatchEvent(new Event("input"));
      }
    }
  };
  for (const mark of document.querySelectorAll(".moving")) {
    const el = mark.closest(".explore");
    near.observe(el);
    asked.set(el, []);
    for (const type of ["click", "input"]) el.addEventListener(type, keep);
  }

  window.picture = async (label, { module, data, state }) => {
    const el = waiting.get(label);
    const given = { data, state };
    const model = { get: (name) => given[name], set: (name, value) => (given[name] = value), save_changes() {}, on() {} };
    try {
      const text = "data:text/javascript;charset=utf-8," + encodeURIComponent(module);
      (await import(text)).default.render({ model, el });
      el.dataset.live = "";
      replay(el);
    } catch (error) {
      fail(el, error);
    }
  };
}
