// Chapter 4: a photograph rebuilt from the columns that a hand keeps.
// data: width, height, pixels (base64, row by row, one byte each), orders of the columns that rules keep, by number of
// columns what others lose, and the best five. Columns count from 0 here and from 1 in what is read.
// state: kept (column numbers, in their order), column (that of the slider), past (what was kept before, oldest first),
// told (whether the columns of the rules are marked).
const ready = new WeakMap();
const read = (data) => {
  if (!ready.has(data)) {
    const bytes = Uint8Array.from(atob(data.pixels), (letter) => letter.charCodeAt(0));
    const columns = Array.from({ length: data.width }, (_, j) =>
      Float64Array.from({ length: data.height }, (_, i) => bytes[i * data.width + j]),
    );
    ready.set(data, { columns, image: grey(columns) });
  }
  return ready.get(data);
};
const dot = (a, b) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};

// What is left of each column when those kept are taken out, one after the other, twice against rounding.
const residual = (columns, kept) => {
  const left = columns.map((column) => column.slice());
  for (const j of kept) {
    const q = left[j].slice();
    for (let again = 0; again < 2; again++) {
      const length = Math.sqrt(dot(q, q));
      q.forEach((x, i) => (q[i] = x / length));
      for (const d of left) {
        const share = dot(q, d);
        for (let i = 0; i < d.length; i++) d[i] -= share * q[i];
      }
    }
  }
  return left;
};

// What is left, its squared lengths, those of the whole photograph added up, and the error ÷ its size.
const leave = (data, { kept }) => {
  const { columns } = read(data);
  const left = residual(columns, kept);
  const squares = left.map((d) => dot(d, d));
  const total = columns.reduce((sum, m) => sum + dot(m, m), 0);
  return { left, squares, total, error: Math.sqrt(squares.reduce((sum, x) => sum + x, 0) / total) };
};

// The numbers of the picture, and the next column of two methods.
export const compute = (data, state) => {
  const { left, squares, total, error } = leave(data, state);
  const gains = left.map((d, j) =>
    squares[j] > 1e-9 * total ? left.reduce((sum, e) => sum + dot(d, e) ** 2, 0) / squares[j] : 0,
  );
  const largest = (numbers) => numbers.indexOf(Math.max(...numbers));
  return { error, squares, longest: largest(squares), greedy: largest(gains) };
};

// Columns as a picture: an uncompressed bitmap of 256 greys.
const grey = (columns) => {
  const [width, height] = [columns.length, columns[0].length];
  const row = Math.ceil(width / 4) * 4;
  const start = 54 + 1024, file = new Uint8Array(start + row * height), view = new DataView(file.buffer);
  file.set([66, 77]);
  view.setUint32(2, file.length, true);
  [start, 40, width, height].forEach((x, n) => view.setUint32(10 + 4 * n, x, true));
  view.setUint32(26, 1 + (8 << 16), true);
  for (let n = 0; n < 256; n++) file.fill(n, 54 + 4 * n, 57 + 4 * n);
  columns.forEach((column, j) =>
    column.forEach((x, i) => (file[start + (height - 1 - i) * row + j] = Math.max(0, Math.min(255, Math.round(x))))),
  );
  return `data:image/bmp;base64,${btoa(String.fromCharCode(...file))}`;
};

const [W, H, SIDE, HIGH, TOP] = [480, 352, 232, 153.7, 34]; // of the picture, of one photograph, of its upper edge
const RIGHT = W - SIDE; // where the second photograph begins
const percent = (x) => `${(100 * x).toFixed(1)} %`;
const centre = (data, j) => ((j + 0.5) / data.width) * SIDE;

export const draw = (data, state) => {
  const { kept, column } = state, { columns, image } = read(data), { left, error } = leave(data, state);
  const rebuilt = columns.map((m, j) => m.map((x, i) => x - left[j][i]));
  const r = kept.length, others = Object.entries(data.others).map(([name, lost]) => [name, lost[r]]);
  const photo = (at, source) =>
    `<image x="${at}" y="${TOP}" width="${SIDE}" height="${HIGH}" preserveAspectRatio="none" href="${source}" style="image-rendering:pixelated"/>`;
  const lines = (js, at, top, long) => js.map((j) => `M${at + centre(data, j)} ${top}v${long}`).join("");
  const blue = (width, ...more) => `<path class="t-blue" stroke="var(--t-blue)" stroke-width="${width}" d="${more.join("")}"/>`;
  const both = (top, long) => lines(kept, 0, top, long) + lines(kept, RIGHT, top, long);
  const rules = Object.entries(data.orders).map(([name, order], n) => {
    const y = TOP + HIGH + 19 + 18 * n;
    const marks = `<path stroke="currentColor" stroke-width="2.5" opacity=".5" d="${lines(order.slice(0, r), 0, y, 12)}"/>`;
    const where = state.told ? `kept by ${name}` : n ? "" : "rules' columns: not shown";
    return `${state.told ? marks : ""}<text x="${SIDE + 8}" y="${y + 12}" opacity="${state.told ? 1 : 0.7}">${where}</text>`;
  });
  const bars = [["yours", error], ...others].map(([name, lost], n) => {
    const y = 250 + 25 * n, long = Math.min(310, (310 * lost) / data.scale);
    return `<text x="62" y="${y + 15}" text-anchor="end">${name}</text>
      <rect class="t-orange" x="70" y="${y + 2}" width="${long}" height="17" fill="var(--t-orange)" opacity="${n ? 0.45 : 1}"/>
      <text x="${long + 76}" y="${y + 16}">${percent(lost)}</text>`;
  });
  const say = others.map(([name, lost]) => `${name} ${percent(lost)}`).join(", ");
  return {
    svg: `<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H}" style="display:block;width:100%;height:auto" font-size="16" fill="currentColor" aria-label="A photograph of a pagoda, and beside it the one rebuilt from ${r} of its ${data.width} columns, those of number ${kept.map((j) => j + 1).join(", ")}; a dashed line marks column ${column + 1}; below, ${state.told ? "marks of the columns that two rules would keep, and " : ""}bars of what is lost: you ${percent(error)}, ${say}">
      <text x="0" y="16">the photograph</text><text x="${RIGHT}" y="16">rebuilt from ${r} column${r === 1 ? "" : "s"}</text>
      <g style="touch-action:pan-y">${photo(0, image)}${photo(RIGHT, grey(rebuilt))}<path stroke="transparent" stroke-width="14" d="M0 ${TOP - 6}H${W}"/></g>
      <g pointer-events="none">${blue(4, both(TOP - 12, 12))}<g opacity=".5">${blue(1, both(TOP, HIGH))}</g>
      <path stroke="var(--t-blue)" stroke-dasharray="4 3" d="M${centre(data, column)} ${TOP}v${HIGH}"/></g>
      ${rules.join("")}${bars.join("")}</svg>`,
    see: `${r} kept: you lose ${percent(error)}, ${say}.`,
    knobs: { column: [centre(data, column), TOP + HIGH] },
  };
};

const whole = (data, x) => Math.max(0, Math.min(data.width - 1, Math.floor((x / SIDE) * data.width)));
const keep = ({ kept, past = [] }, now, column) => ({ kept: now, column, past: [...past, kept] });
const toggle = (data, state, j) => {
  const { kept } = state;
  if (kept.includes(j)) return keep(state, kept.filter((k) => k !== j), j);
  return kept.length < data.most ? keep(state, [...kept, j], j) : {};
};
const add = (data, state, j) => (state.kept.includes(j) ? {} : toggle(data, state, j));
// A kept column goes elsewhere, and the number kept stays; a column that is not kept is only looked at.
const move = ({ kept }, from, to) => {
  if (from !== to && kept.includes(to)) return {};
  return { kept: kept.map((k) => (k === from ? to : k)), column: to };
};
const step = (data, state, by) => {
  const { kept, column } = state, to = Math.max(0, Math.min(data.width - 1, column + by));
  const moved = move(state, column, to);
  return moved.kept && kept.includes(column) ? keep(state, moved.kept, to) : moved;
};
// The column at a place, on either photograph or its ticks: a kept one, if it lies within reach.
const found = (data, { kept }, x, y, reach) => {
  const inside = x < RIGHT ? x : x - RIGHT;
  if (y < TOP - 12 || y > TOP + HIGH || inside > SIDE) return null;
  const away = (j) => Math.abs(centre(data, j) - inside);
  const near = kept.filter((j) => away(j) <= reach).sort((i, j) => away(i) - away(j));
  return near.length ? near[0] : whole(data, inside);
};

const act = {
  keep: (data, state) => toggle(data, state, state.column),
  left: (data, state) => step(data, state, -1),
  right: (data, state) => step(data, state, 1),
  longest: (data, state) => add(data, state, compute(data, state).longest),
  greedy: (data, state) => add(data, state, compute(data, state).greedy),
  random: (data, state) => add(data, state, Math.floor(Math.random() * data.width)),
  best: (data, state) => keep(state, data.best, data.best[2]),
  rules: (data, { told }) => ({ told: !told }),
  none: (data, state) => keep(state, [], state.column),
  undo: (data, { kept, past = [] }) => ({ kept: past.at(-1) ?? kept, past: past.slice(0, -1) }),
};
// What a button sets, for the chapter's check.
export const pressed = (data, state) => act[state.press](data, state);

export default stage({
  draw,
  // A kept column is held by its place among those kept, which stays while the column changes; one drag is one undo.
  grab(data, state, x, y, reach) {
    const j = found(data, state, x, y, reach), name = state.kept.indexOf(j);
    return name < 0 ? null : { name, place: [centre(data, j), y] };
  },
  drag(data, state, name, x, y, since) {
    const from = state.kept[name] ?? state.column, moved = move(state, from, whole(data, x));
    return state.kept.includes(from) ? { ...moved, past: [...(since.past ?? []), since.kept] } : moved;
  },
  tap(data, state, x, y, reach) {
    const j = found(data, state, x, y, reach);
    return j === null ? {} : toggle(data, state, j);
  },
  act,
});
