// What every moving picture does. Its module says what a state looks like, draw(data, state) → { svg, see, knobs }, and
// what a hand does to it: drag(data, state, knob, x, y), tap(data, state, x, y), act[name](data, state). Each of these
// gives the entries of the state that change; x, y and knobs are in the units of the picture's viewBox.
const stage = ({ draw, drag, tap, act = {} }) => ({
  render({ model, el }) {
    if (model.get("html")) el.innerHTML = model.get("html"); // in JupyterLab; in the page it stands there already
    const data = model.get("data");
    const [frame, ghost, see] = [".frame", ".ghost", ".see"].map((name) => el.querySelector(name));
    const ranges = [...el.querySelectorAll("input[type=range]")];
    // JupyterLab would take their keys for itself.
    for (const control of el.querySelectorAll("input, button")) control.dataset.lmSuppressShortcuts = "";
    let state = model.get("state"), knobs = {};
    if (data.shared) el.insertAdjacentHTML("beforeend", data.shared);
    if (ghost) ghost.innerHTML = draw(data, state).svg;

    const REACH = 22; // px: a finger is 44 px wide
    const overlay = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const handles = new Map();
    overlay.setAttribute("class", "knobs");
    overlay.setAttribute("aria-hidden", "true"); // the ranges and buttons are for keys and screen readers
    frame.after(overlay);
    const size = () => frame.firstElementChild.viewBox.baseVal;
    const at = ({ clientX, clientY }) => {
      const box = frame.firstElementChild.getBoundingClientRect();
      const { width, height } = size();
      return [((clientX - box.left) * width) / box.width, ((clientY - box.top) * height) / box.height];
    };
    const place = () => {
      const { width, height } = size();
      const unit = width / (frame.clientWidth || width);
      overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
      for (const [name, [x, y]] of Object.entries(knobs)) {
        if (!handles.has(name)) handles.set(name, handle(name));
        handles.get(name).setAttribute("transform", `translate(${x} ${y}) scale(${unit})`);
      }
    };
    const handle = (name) => {
      const knob = document.createElementNS("http://www.w3.org/2000/svg", "g");
      knob.dataset.name = name;
      knob.innerHTML = `<circle class="reach" r="${REACH}"/><circle class="dot" r="7"/>`;
      let off = [0, 0];
      knob.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        event.preventDefault();
        knob.setPointerCapture(event.pointerId);
        off = at(event).map((x, i) => knobs[name][i] - x);
      });
      knob.addEventListener("pointermove", (event) => {
        if (!knob.hasPointerCapture(event.pointerId)) return;
        const [x, y] = at(event).map((x, i) => x + off[i]);
        update(drag(data, state, name, x, y));
      });
      overlay.append(knob);
      return knob;
    };

    const show = () => {
      const shown = draw(data, state);
      frame.innerHTML = shown.svg;
      for (const range of ranges) {
        const value = state[range.dataset.name];
        const text = range.dataset.values ? range.dataset.values.split("|")[value] : String(value);
        range.value = value;
        range.setAttribute("aria-valuetext", text);
        range.nextElementSibling.textContent = text;
      }
      for (const button of el.querySelectorAll("[data-step]")) {
        const range = ranges.find((range) => range.dataset.name === button.dataset.of);
        const end = button.dataset.step > 0 ? range.max : range.min;
        button.setAttribute("aria-disabled", range.value === end);
      }
      if (see.textContent !== shown.see) see.textContent = shown.see;
      knobs = shown.knobs ?? {};
      place();
    };
    const update = (change) => {
      state = { ...state, ...change };
      show();
      model.set("state", state);
      model.save_changes();
    };
    for (const range of ranges)
      range.addEventListener("input", () => update({ [range.dataset.name]: Number(range.value) }));
    for (const button of el.querySelectorAll("button"))
      button.addEventListener("click", () => {
        const { set, step, of, act: name } = button.dataset;
        if (set) update(JSON.parse(set));
        if (name) update(act[name](data, state));
        if (!step || button.getAttribute("aria-disabled") === "true") return;
        update({ [of]: state[of] + Number(step) });
      });
    if (tap) frame.addEventListener("click", (event) => update(tap(data, state, ...at(event))));
    show();
    new ResizeObserver(place).observe(frame);
  },
});
