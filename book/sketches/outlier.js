// Chapter 4: one column is to be kept, of a cloud in the plane and an outlier that a hand moves.
// data: cloud, [[x, y], …]. state: x and y of the outlier, in tenths above LOW; asked, { x, y }: while the outlier stands
// there and the question is open, the picture does not say what the rules keep.
const LOW = [-5, -2], SPAN = 14, LENGTHS = Array.from({ length: 57 }, (_, n) => n / 4);
const place = ({ x, y }) => [LOW[0] + x / 10, LOW[1] + y / 10];
const dot = (a, b) => a[0] * b[0] + a[1] * b[1];

// The columns that CPQR and greedy keep, each with the error that it leaves.
const choose = (columns) => {
  const squares = columns.map((m) => dot(m, m));
  const gains = columns.map((c, k) => (squares[k] ? columns.reduce((sum, m) => sum + dot(m, c) ** 2, 0) / squares[k] : 0));
  const total = squares.reduce((sum, x) => sum + x, 0);
  const kept = [squares, gains].map((numbers) => numbers.indexOf(Math.max(...numbers)));
  return { kept, errors: kept.map((k) => Math.sqrt(Math.max(0, total - gains[k]))) };
};

// The length at which CPQR turns to an outlier in the direction u, and that at which greedy does: where it pays.
const turns = (cloud, u) => {
  const squares = cloud.map((c) => dot(c, c)), total = squares.reduce((sum, x) => sum + x, 0);
  const across = total - cloud.reduce((sum, c) => sum + dot(u, c) ** 2, 0);
  const pays = cloud.map((c, j) => {
    const left = total - cloud.reduce((sum, m) => sum + dot(c, m) ** 2, 0) / squares[j];
    return (across - left) / (1 - dot(u, c) ** 2 / squares[j]);
  });
  return [Math.sqrt(Math.max(...squares)), Math.sqrt(Math.max(0, ...pays))];
};

export const compute = ({ cloud }, state) => {
  const outlier = place(state), length = Math.hypot(...outlier);
  const along = (t) => (length ? outlier.map((x) => (x * t) / length) : [0, t]);
  const curves = LENGTHS.map((t) => choose([...cloud, along(t)]));
  return { ...choose([...cloud, outlier]), length, curves, turns: turns(cloud, along(1)) };
};

const [W, H, SIDE, TOP, LEFT] = [480, 418, 228, 24, 36];
const NAMES = ["CPQR: longest", "greedy: gain"], DASHES = ["", "7 4"];

export const draw = (data, state) => {
  const { kept, errors, length, curves, turns } = compute(data, state);
  const columns = [...data.cloud, place(state)], asks = state.asked?.x === state.x && state.asked?.y === state.y;
  const to = (n, [x, y]) => [n * (W - SIDE) + ((x - LOW[0]) / SPAN) * SIDE, TOP + SIDE - ((y - LOW[1]) / SPAN) * SIDE];
  const segment = (n, a, b, more) => `<path d="M${to(n, a).join(" ")}L${to(n, b).join(" ")}" ${more}/>`;
  const panel = (n) => {
    const c = columns[kept[n]], unit = c.map((x) => x / Math.hypot(...c));
    const feet = columns.map((m) => unit.map((u) => u * dot(m, unit)));
    const id = `plane-${n}`, edge = to(n, [LOW[0], LOW[1] + SPAN]);
    return `<clipPath id="outlier-${id}"><rect x="${edge[0]}" y="${edge[1]}" width="${SIDE}" height="${SIDE}"/></clipPath>
      <rect x="${edge[0]}" y="${edge[1]}" width="${SIDE}" height="${SIDE}" fill="none" stroke="currentColor" opacity=".3"/>
      <text x="${edge[0]}" y="15">${NAMES[n]}</text><text x="${edge[0] + SIDE}" y="15" text-anchor="end" class="t-orange" fill="var(--t-orange)">error ${asks ? "?" : errors[n].toFixed(2)}</text>
      <g clip-path="url(#outlier-${id})">
      ${segment(n, [-0.3, 0], [0.3, 0], 'stroke="currentColor"')}${segment(n, [0, -0.3], [0, 0.3], 'stroke="currentColor"')}<text x="${to(n, [0, 0])[0] - 7}" y="${to(n, [0, 0])[1] + 18}" text-anchor="end" opacity=".7">0</text>
      ${asks ? "" : segment(n, unit.map((u) => -40 * u), unit.map((u) => 40 * u), 'class="t-blue" stroke="var(--t-blue)" stroke-width="2"')}
      ${asks ? "" : columns.map((m, k) => segment(n, m, feet[k], 'class="t-orange" stroke="var(--t-orange)" stroke-width="1.5"')).join("")}
      ${columns.map((m, k) => `<circle cx="${to(n, m)[0]}" cy="${to(n, m)[1]}" r="${k === kept[n] && !asks ? 6 : 3.5}" ${k === kept[n] && !asks ? 'fill="var(--t-blue)"' : ""}/>`).join("")}</g>`;
  };
  const now = Math.min(SPAN, length);
  const most = 1.05 * Math.sqrt(data.cloud.reduce((sum, m) => sum + dot(m, m), 0)); // no rule ever loses more
  const base = H - 38, high = base - 286;
  const at = (t, e) => `${LEFT + (t / SPAN) * (W - LEFT - 8)} ${base - (e / most) * high}`;
  // As far as the outlier has been pulled; where a rule turns to another column its error may jump, and the line breaks.
  const curve = (n) => {
    const steps = LENGTHS.filter((t) => t <= Math.max(length, 0.25)).map((t, k) => {
      const turns = k && n !== 1 && curves[k].kept[n] !== curves[k - 1].kept[n];
      return `${k && !turns ? "L" : "M"}${at(t, curves[k].errors[n])}`;
    });
    const [x, y] = at(now, errors[n]).split(" ");
    return `<path fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray="${DASHES[n]}" d="${steps.join("")}"/><circle cx="${x}" cy="${y}" r="4"/>`;
  };
  const ticks = [0, 5, 10].map((t) => `<text x="${at(t, 0).split(" ")[0]}" y="${base + 17}" text-anchor="middle">${t}</text>`);
  const key = NAMES.map((name, n) => `<path stroke="currentColor" stroke-width="2" stroke-dasharray="${DASHES[n]}" d="M${150 + 112 * n} ${base - high - 12}h28"/><text x="${184 + 112 * n}" y="${base - high - 7}">${name.split(":")[0]}</text>`);
  const marks = turns.map((t, n) => {
    if (asks || !(t <= SPAN)) return "";
    const [x, y] = at(t, 0).split(" ").map(Number);
    return `<path fill="currentColor" stroke="currentColor" ${n ? 'fill-opacity="0"' : ""} d="M${x} ${y - 1}l-5 -9h10z"/>`;
  });
  const which = (k) => (k === data.cloud.length ? "the outlier" : "a column of the cloud");
  return {
    svg: `<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H}" style="display:block;width:100%;height:auto" font-size="16" fill="currentColor" aria-label="Columns in the plane and an outlier at (${place(state).map((x) => x.toFixed(1)).join(", ")}), of length ${length.toFixed(1)}, twice${asks ? "; what two rules keep is not shown yet." : `: CPQR keeps ${which(kept[0])}, error ${errors[0].toFixed(2)}; greedy keeps ${which(kept[1])}, error ${errors[1].toFixed(2)}. Below, their errors against the outlier's length.`}">
      ${panel(0)}${panel(1)}
      <path stroke="currentColor" fill="none" opacity=".5" d="M${LEFT} ${base - high}V${base}H${W - 8}"/>${ticks.join("")}
      ${[2, 4, 6, 8, 10].filter((e) => e < most).map((e) => `<text x="${LEFT - 4}" y="${base - (e / most) * high + 4}" text-anchor="end">${e}</text>`).join("")}
      <text x="${(W + LEFT) / 2}" y="${H - 3}" text-anchor="middle">length of the outlier in this direction</text>
      <text x="${LEFT}" y="${base - high - 8}">error</text>
      ${asks ? "" : curve(0) + curve(1)}${marks.join("")}
      <path stroke="currentColor" opacity=".4" d="M${at(now, 0)}V${base - high}"/>${key.join("")}</svg>`,
    see: asks ? "Which one would you keep? Pull the outlier, or press a button, and see what the rules do." : `The outlier has length ${length.toFixed(1)}. ${["CPQR", "greedy"].map((name, n) => `${name} keeps ${which(kept[n])} and loses ${errors[n].toFixed(2)}`).join("; ")}. In this direction they turn to the outlier at ${turns.map((t) => (t <= SPAN ? t.toFixed(1) : `over ${SPAN}`)).join(" and ")}.`,
    knobs: { left: to(0, place(state)), right: to(1, place(state)) },
  };
};

export default stage({
  draw,
  drag(data, state, name, x, y) {
    const n = name === "right" ? 1 : 0, tenth = (u) => Math.max(0, Math.min(10 * SPAN, Math.round(10 * u)));
    return {
      x: tenth(((x - n * (W - SIDE)) / SIDE) * SPAN),
      y: tenth(((TOP + SIDE - y) / SIDE) * SPAN),
      asked: null,
    };
  },
});
