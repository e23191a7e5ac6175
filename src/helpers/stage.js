// What every moving picture does. Its module says what a state looks like, draw(data, state) → { svg, see, knobs }, and
// what a hand does to it: drag(data, state, name, x, y, since), where `since` is the state that the hand took hold of,
// tap(data, state, x, y, reach), act[name](data, state). Each of these gives the entries of the state that change.
// What lies on the picture without a knob is found by grab(data, state, x, y, reach) → { name, place } or null. x, y,
// places and the reach of the hand are in the units of the picture's viewBox. `asked` in a state is kept until the
// question before the picture is answered.
const stage = ({ draw, drag, tap, grab, act = {} }) => ({
  render({ model, el }) {
    if (model.get("html")) el.innerHTML = model.get("html"); // in JupyterLab; in the page it stands there already
    const data = model.get("data");
    const [frame, ghost, see] = [".frame", ".ghost", ".see"].map((name) => el.querySelector(name));
    const ranges = [...el.querySelectorAll("input[type=range]")];
    const presets = new Map([...el.querySelectorAll("[data-set]")].map((button) => [button, JSON.parse(button.dataset.set)]));
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
    const pixel = () => size().width / (frame.clientWidth || size().width);
    const place = () => {
      const { width, height } = size();
      const unit = pixel();
      overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
      for (const [name, [x, y]] of Object.entries(knobs)) {
        if (!handles.has(name)) handles.set(name, handle(name));
        handles.get(name).setAttribute("transform", `translate(${x} ${y}) scale(${unit})`);
      }
    };
    // What `find` says is under the pointer, { name, place }, follows it after slack(event) pixels.
    const follow = (node, find, slack) => {
      let held = null, moved = false, from, off, since;
      node.addEventListener("pointerdown", (event) => {
        [held, moved] = [event.button ? null : find(event), false];
        if (!held) return;
        node.setPointerCapture(event.pointerId);
        [from, since] = [[event.clientX, event.clientY], state];
        off = at(event).map((x, i) => held.place[i] - x);
      });
      node.addEventListener("pointermove", (event) => {
        if (!held || !node.hasPointerCapture(event.pointerId)) return;
        moved ||= Math.hypot(event.clientX - from[0], event.clientY - from[1]) > slack(event);
        if (moved) update(drag(data, state, held.name, ...at(event).map((x, i) => x + off[i]), since));
      });
      return () => moved;
    };
    const handle = (name) => {
      const knob = document.createElementNS("http://www.w3.org/2000/svg", "g");
      knob.dataset.name = name;
      knob.innerHTML = `<circle class="reach" r="${REACH}"/><circle class="dot" r="7"/>`;
      const find = (event) => {
        event.preventDefault();
        return { name, place: knobs[name] };
      };
      follow(knob, find, () => 0);
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
      const is = ([name, value]) => JSON.stringify(state[name]) === JSON.stringify(value);
      for (const [button, set] of presets) button.setAttribute("aria-pressed", Object.entries(set).every(is));
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
        const { step, of, act: name } = button.dataset;
        if (presets.has(button)) update(presets.get(button));
        if (name) update(act[name](data, state));
        if (!step || button.getAttribute("aria-disabled") === "true") return;
        update({ [of]: state[of] + Number(step) });
      });
    let reach = 0;
    const find = (event) => {
      reach = (event.pointerType === "mouse" ? 8 : 12) * pixel();
      return grab ? grab(data, state, ...at(event), reach) : null;
    };
    const dragged = follow(frame, find, (event) => (event.pointerType === "mouse" ? 1 : 3)); // a finger trembles
    if (tap)
      frame.addEventListener("click", (event) => {
        if (!dragged()) update(tap(data, state, ...at(event), reach));
      });
    // A picture that asks with the question before it answers when that is answered.
    const before = (node) => node.compareDocumentPosition(el) & Node.DOCUMENT_POSITION_FOLLOWING;
    const question = state.asked && [...document.querySelectorAll(".predict")].filter(before).at(-1);
    question?.addEventListener("change", () => update({ asked: null }));
    show();
    if (question?.querySelector(":checked")) update({ asked: null }); // it was answered before the picture was there
    new ResizeObserver(place).observe(frame);
  },
});
