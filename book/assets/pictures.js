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
  for (const mark of document.querySelectorAll(".moving")) near.observe(mark.closest(".explore"));

  window.picture = async (label, { module, data, state }) => {
    const el = waiting.get(label);
    const given = { data, state };
    const model = { get: (name) => given[name], set: (name, value) => (given[name] = value), save_changes() {}, on() {} };
    try {
      const text = "data:text/javascript;charset=utf-8," + encodeURIComponent(module);
      (await import(text)).default.render({ model, el });
      el.dataset.live = "";
    } catch (error) {
      fail(el, error);
    }
  };
}
