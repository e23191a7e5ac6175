// Chapter 5: one LoRA step for a 2 × 2 gradient. A row x of the circle goes to xG in full fine-tuning, to xD in LoRA.
// data: G; strongest, the direction of its first singular vectors in degrees, A's among the inputs, B's among the
// outputs. state: A and B, where the needles point: 0 for a needle of length 0, else 1 + half the degrees from the
// right, anticlockwise.
const TURN = 2;
const needle = (k) => (k ? [Math.cos(((k - 1) * TURN * Math.PI) / 180), Math.sin(((k - 1) * TURN * Math.PI) / 180)] : [0, 0]);
const times = (x, M) => [0, 1].map((j) => x[0] * M[0][j] + x[1] * M[1][j]);
const dot = (x, y) => x[0] * y[0] + x[1] * y[1];

export const compute = ({ G }, state) => {
  const [a, b] = [needle(state.A), needle(state.B)];
  const rows = [0, 1].map((i) => [0, 1].map((j) => a[i] * dot(a, [G[0][j], G[1][j]]) + dot(G[i], b) * b[j]));
  const size = (M) => Math.hypot(...M.flat());
  return { step: rows, missed: size(rows.map((row, i) => row.map((x, j) => x - G[i][j]))) / size(G) };
};

const [W, H, UNIT] = [480, 262, 72], MIDDLES = { A: [92, 130], B: [334, 130] };
const paint = (term) => `class="t-${term}" stroke="var(--t-${term})"`;
const place = (name, [x, y], unit = UNIT) => [MIDDLES[name][0] + unit * x, MIDDLES[name][1] - unit * y];
const line = (from, to, more) => `<path d="M${from.map((u) => u.toFixed(1)).join(" ")}L${to.map((u) => u.toFixed(1)).join(" ")}" ${more}/>`;

const arrow = (name, [x, y], term, text) => {
  const written = ([u, v]) => `<text x="${u.toFixed(1)}" y="${(v + 5).toFixed(1)}" text-anchor="middle" font-style="italic" font-size="17" fill="var(--t-${term})" stroke="var(--pst-color-background, white)" stroke-width="3" paint-order="stroke">${text}</text>`; // its halo keeps it from the dashes
  if (!x && !y) return written(place(name, [0.2, -0.24]));
  const tip = place(name, [x, y], 0.97 * UNIT), base = place(name, [0, 0]);
  const barb = (turn) => [x * Math.cos(turn) - y * Math.sin(turn), x * Math.sin(turn) + y * Math.cos(turn)];
  const barbs = [2.75, -2.75].map((turn) => tip.map((u, i) => u + 11 * (i ? -barb(turn)[1] : barb(turn)[0])));
  const label = place(name, [x, y], UNIT + 21);
  return `<path d="M${base.join(" ")}L${tip.join(" ")}M${barbs[0].join(" ")}L${tip.join(" ")}L${barbs[1].join(" ")}" fill="none" ${paint(term)} stroke-width="3.5"/>${written(label)}`;
};

export const draw = (data, state) => {
  const { step, missed } = compute(data, state), [a, b] = [needle(state.A), needle(state.B)];
  const circle = Array.from({ length: 73 }, (_, k) => [Math.cos((k * Math.PI) / 36), Math.sin((k * Math.PI) / 36)]);
  const outline = (M) => `M${circle.map((x) => place("B", times(x, M)).map((u) => u.toFixed(1)).join(" ")).join("L")}`;
  const flat = Math.abs(step[0][0] * step[1][1] - step[0][1] * step[1][0]) < 1e-9; // there and back would fill the dashes
  const ends = circle.map((x) => times(x, step)).reduce((far, x) => (dot(x, x) > dot(far, far) ? x : far));
  const stroke = `M${place("B", ends.map((u) => -u)).join(" ")}L${place("B", ends).join(" ")}`;
  const dots = circle.slice(0, 72).filter((_, k) => k % 6 === 0);
  const gaps = dots.map((x) => line(place("B", times(x, data.G)), place("B", times(x, step)), 'stroke="currentColor" opacity=".6"'));
  const spot = (name, x, more) => `<circle cx="${place(name, x)[0].toFixed(1)}" cy="${place(name, x)[1].toFixed(1)}" ${more}/>`;
  const cross = (name) => line(place(name, [-0.05, 0]), place(name, [0.05, 0]), 'stroke="currentColor"') + line(place(name, [0, -0.05]), place(name, [0, 0.05]), 'stroke="currentColor"');
  const axis = (name) => {
    const turn = (data.strongest[name] * Math.PI) / 180, end = [Math.cos(turn), Math.sin(turn)];
    return line(place(name, end.map((u) => -u)), place(name, end), 'stroke="currentColor" stroke-dasharray="1.5 4" opacity=".8"');
  };
  const share = `${Math.round(100 * missed)} %`;
  const told = [["A", state.A], ["B", state.B]].map(([name, k]) => (k ? `${name} points at ${(k - 1) * TURN}°` : `${name} is zero`)).join(", ");
  return {
    svg: `<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H}" style="display:block;width:100%;height:auto" font-size="14.5" fill="currentColor" aria-label="Left a circle of inputs with the needle of A, right the ellipse that the full step makes of it, with the needle of B, and the ellipse of LoRA's step. ${told}; LoRA's step misses ${share}.">
      <text x="${MIDDLES.A[0]}" y="16" text-anchor="middle">inputs</text><text x="${MIDDLES.B[0]}" y="16" text-anchor="middle">what the first step makes of them</text>
      <circle cx="${MIDDLES.A[0]}" cy="${MIDDLES.A[1]}" r="${UNIT}" fill="none" stroke="currentColor" opacity=".5"/>
      ${cross("A")}${axis("A")}${dots.map((x) => spot("A", x, 'r="2.5"')).join("")}
      <path d="${outline(data.G)}z" fill="var(--t-green)" fill-opacity=".12" ${paint("green")} stroke-width="2.5"/>
      ${gaps.join("")}
      <path d="${flat ? stroke : `${outline(step)}z`}" fill="none" ${paint("purple")} stroke-width="2.5" stroke-dasharray="7 4"/>
      ${cross("B")}${axis("B")}${dots.map((x) => spot("B", times(x, data.G), 'r="2.5"')).join("")}
      ${arrow("A", a, "blue", "A")}${arrow("B", b, "orange", "B")}
      <path d="M8 ${H - 10}h30" ${paint("green")} stroke-width="2.5"/><text x="44" y="${H - 5}">full fine-tuning</text>
      <path d="M168 ${H - 10}h30" ${paint("purple")} stroke-width="2.5" stroke-dasharray="7 4"/><text x="204" y="${H - 5}">LoRA</text>
      <text x="${W - 4}" y="${H - 5}" text-anchor="end" font-weight="bold">missed: ${share}</text></svg>`,
    see: missed < 1e-9 ? "LoRA's first step is the full one: nothing is missed." : `LoRA's first step misses ${share} of the full one${missed > 1 - 1e-9 && missed < 1 + 1e-9 ? ", as much as no step at all" : ""}.`,
    knobs: { A: place("A", a), B: place("B", b) },
  };
};

export default stage({
  draw,
  drag(data, state, name, x, y) {
    const [u, v] = [x - MIDDLES[name][0], MIDDLES[name][1] - y];
    if (Math.hypot(u, v) < 0.3 * UNIT) return { [name]: 0 };
    const half = Math.round((Math.atan2(v, u) * 180) / Math.PI / TURN), round = 360 / TURN;
    return { [name]: 1 + ((half + round) % round) };
  },
});
