// Chapter 5: which singular directions of a gradient A takes and which B, seen in the bases in which the gradient is
// diagonal. data: sigma, the largest singular values; rest, the root of the sum of the squares of the others. state: r
// less 1; A and B, the first direction of each, from 0.
const takes = (first, state, i) => Number(i >= first && i <= first + state.r);

export const compute = ({ sigma, rest }, state) => {
  const left = sigma.map((s, i) => s * (1 - takes(state.A, state, i) - takes(state.B, state, i)));
  const size = (parts) => Math.hypot(...parts, rest);
  return { left, missed: size(left) / size(sigma), least: size(sigma.slice(2 * (state.r + 1))) / size(sigma) };
};

const [W, H, SIDE, GAP, TOP, ASIDE] = [480, 194, 102, 24, 26, 15];
const MAPS = [["the full step", "green"], ["A takes", "blue"], ["B takes", "orange"], ["missed", "purple"]];
const SIGNS = ["−", "−", "="];

export const draw = (data, state) => {
  const { left, missed, least } = compute(data, state), n = data.sigma.length, cell = SIDE / n;
  const corner = (map) => map * (SIDE + GAP);
  const parts = [data.sigma, ...["A", "B"].map((name) => data.sigma.map((s, i) => s * takes(state[name], state, i))), left];
  const map = (values, k) => {
    const [name, term] = MAPS[k], paint = `var(--t-${term})`;
    const cells = values.map((value, i) => {
      if (!value) return "";
      const [x, y] = [corner(k) + i * cell, TOP + i * cell].map((u) => u.toFixed(1));
      const shade = (0.2 + 0.8 * Math.abs(value / data.sigma[0])).toFixed(2);
      return `<rect x="${x}" y="${y}" width="${cell}" height="${cell}" fill="${value > 0 ? paint : "none"}" stroke="${paint}" fill-opacity="${shade}"/>${value < 0 ? `<path d="M${Number(x) + 2} ${Number(y) + cell / 2}h${cell - 4}" stroke="${paint}" stroke-width="2"/>` : ""}`;
    });
    return `<text x="${corner(k)}" y="15">${name}</text><rect x="${corner(k)}" y="${TOP}" width="${SIDE}" height="${SIDE}" fill="none" stroke="currentColor" opacity=".4"/>
      <g class="t-${term}">${cells.join("")}</g>${k < 3 ? `<text x="${corner(k) + SIDE + GAP / 2}" y="${TOP + SIDE / 2 + 6}" text-anchor="middle" font-size="18">${SIGNS[k]}</text>` : ""}`;
  };
  const span = (first) => (state.r ? `${first + 1} to ${Math.min(n, first + state.r + 1)}` : `${first + 1}`);
  const percent = (x) => `${(100 * x).toFixed(0)} %`;
  const bar = (y, share, text, more) => `<rect x="0" y="${y}" width="${(300 * share).toFixed(1)}" height="11" ${more}/><text x="${(300 * share + 7).toFixed(1)}" y="${y + 10.5}">${text} ${percent(share)}</text>`;
  const twice = left.some((x) => x < 0), best = missed < least + 1e-9;
  const beside = (name, k) => { // the blocks, below them on the left, so that they stay in sight
    const along = cell * Math.min(n - 0.5, state[name] + (state.r + 1) / 2);
    return [corner(k) + along - ASIDE, TOP + along + ASIDE];
  };
  const tie = ([x, y]) => `<path d="M${x.toFixed(1)} ${y.toFixed(1)}l${ASIDE} ${-ASIDE}" stroke="currentColor"/>`; // a ring and its block
  return {
    svg: `<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H}" style="display:block;width:100%;height:auto" font-size="14" fill="currentColor" aria-label="Four square maps, dark on the diagonal: the full step, less what A takes, directions ${span(state.A)}, less what B takes, directions ${span(state.B)}, is what is missed, ${percent(missed)}; the least possible is ${percent(least)}.">
      ${parts.map(map).join("")}${tie(beside("A", 1))}${tie(beside("B", 2))}
      ${bar(TOP + SIDE + 21, missed, "missed:", 'class="t-purple" fill="var(--t-purple)"')}
      ${bar(TOP + SIDE + 43, least, "least possible:", 'fill="none" stroke="currentColor"')}</svg>`,
    see: best ? `A takes ${span(state.A)}, B takes ${span(state.B)}: nothing of this rank misses less.` : twice ? "A direction that both take is stepped twice as far as it should be, and is missed with the other sign." : `Not all of the ${2 * (state.r + 1)} strongest directions are taken, so more is missed than need be.`,
    knobs: { A: beside("A", 1), B: beside("B", 2) },
  };
};

export default stage({
  draw,
  drag(data, state, name, x, y) {
    const n = data.sigma.length, k = name === "A" ? 1 : 2, cell = SIDE / n;
    const along = ((x - k * (SIDE + GAP)) + (y - TOP)) / 2 / cell - (state.r + 1) / 2;
    return { [name]: Math.max(0, Math.min(n - 1, Math.round(along))) };
  },
});
