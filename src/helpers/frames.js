// helpers.explore: the frames were drawn beforehand; a state is the place on each slider.
const number = ({ sizes }, state) => Object.entries(sizes).reduce((n, [name, size]) => n * size + state[name], 0);
const states = ({ sizes }) =>
  Object.entries(sizes).reduce(
    (found, [name, size]) =>
      found.flatMap((state) => Array.from({ length: size }, (_, value) => ({ ...state, [name]: value }))),
    [{}],
  );

export default stage({
  draw(data, state) {
    const n = number(data, state);
    return { svg: data.frames[n], see: data.see[n], knobs: data.places && { knob: data.places[n] } };
  },
  // The frame whose handle is nearest; of several, the one that changes the fewest sliders.
  drag(data, state, name, x, y) {
    const far = (other, n) => Math.hypot(data.places[n][0] - x, data.places[n][1] - y);
    const changed = (other) => Object.keys(other).filter((key) => other[key] !== state[key]).length;
    const cost = (other, n) => far(other, n) + 1e-6 * changed(other);
    const all = states(data), costs = all.map(cost);
    return all[costs.indexOf(Math.min(...costs))];
  },
});
