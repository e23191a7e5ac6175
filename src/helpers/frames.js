// helpers.explore: the frames were drawn beforehand; a state is the place on each slider.
const number = ({ sizes }, state) => Object.entries(sizes).reduce((n, [name, size]) => n * size + state[name], 0);
const states = ({ sizes }) =>
  Object.entries(sizes).reduce(
    (found, [name, size]) =>
      found.flatMap((state) => Array.from({ length: size }, (_, value) => ({ ...state, [name]: value }))),
    [{}],
  );

// The state whose handle is nearest; of several, the one that changes the fewest sliders. What has names instead of
// numbers, such as the curve on which the handle lies, stays: where curves meet, the hand would jump to another.
export const drag = (data, state, name, x, y) => {
  const all = states(data), same = all.filter((other) => data.named.every((key) => other[key] === state[key]));
  const changed = (other) => Object.keys(other).filter((key) => other[key] !== state[key]).length;
  const cost = (other) => {
    const [left, top] = data.places[number(data, other)];
    return Math.hypot(left - x, top - y) + 1e-6 * changed(other);
  };
  const free = same.length > 1 ? same : all, costs = free.map(cost);
  return free[costs.indexOf(Math.min(...costs))];
};

// While the picture stands where it asks, the last frame is shown.
export const draw = (data, state) => {
  const asks = Object.keys(data.sizes).every((name) => state[name] === state.asked?.[name]);
  const n = asks ? data.frames.length - 1 : number(data, state);
  return { svg: data.frames[n], see: data.see[n], knobs: data.places && { knob: data.places[n] } };
};

export default stage({ draw, drag });
