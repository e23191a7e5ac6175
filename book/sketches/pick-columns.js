// Chapter 4: a photograph rebuilt from the columns that a hand keeps.
// data: width, height, pixels (base64, row by row, one byte each), and by number of columns what others lose.
// state: kept (column numbers, in their order), column (that of the slider).
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

const [W, H, SIDE, HIGH, TOP] = [480, 310, 232, 153.7, 34]; // of the picture, of one photograph, of its upper edge
const percent = (x) => `${(100 * x).toFixed(1)} %`;

export const draw = (data, state) => {
  const { kept, column } = state, { columns, image } = read(data), { left, error } = leave(data, state);
  const rebuilt = columns.map((m, j) => m.map((x, i) => x - left[j][i]));
  const x = (j) => ((j + 0.5) / data.width) * SIDE;
  const r = kept.length, others = Object.entries(data.others).map(([name, lost]) => [name, lost[r]]);
  const photo = (at, source) =>
    `<image x="${at}" y="${TOP}" width="${SIDE}" height="${HIGH}" preserveAspectRatio="none" href="${source}" style="image-rendering:pixelated"/>`;
  const ticks = kept
    .map((j) => `<path class="t-blue" stroke="var(--t-blue, #0072b2)" stroke-width="2.5" d="M${x(j)} ${TOP - 9}v9M${W - SIDE + x(j)} ${TOP - 9}v9"/>`)
    .join("");
  const bars = [["you", error], ...others].map(([name, lost], n) => {
    const y = 212 + 24 * n, long = (330 * lost) / data.scale;
    return `<text x="76" y="${y + 14}" text-anchor="end">${name}</text>
      <rect class="t-orange" x="84" y="${y + 2}" width="${Math.min(330, long)}" height="16" fill="var(--t-orange, #d55e00)" opacity="${n ? 0.45 : 1}"/>
      <text x="${Math.min(330, long) + 90}" y="${y + 14}">${percent(lost)}</text>`;
  });
  const say = others.map(([name, lost]) => `${name} ${percent(lost)}`).join(", ");
  return {
    svg: `<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H}" style="display:block;width:100%;height:auto" font-size="14" fill="currentColor" aria-label="A photograph of a pagoda, and beside it the one rebuilt from ${r} of its ${data.width} columns; a dashed line marks column ${column}; below, bars of what is lost: you ${percent(error)}, ${say}">
      <text x="0" y="16">the photograph</text><text x="${W - SIDE}" y="16">rebuilt from ${r} column${r === 1 ? "" : "s"}</text>
      ${photo(0, image)}${photo(W - SIDE, grey(rebuilt))}${ticks}
      <path stroke="var(--t-blue, #0072b2)" stroke-dasharray="4 3" d="M${x(column)} ${TOP}v${HIGH}"/>
      <text x="${W - SIDE}" y="207" font-size="13">lost, with ${r} column${r === 1 ? "" : "s"} each</text>${bars.join("")}</svg>`,
    see: `${r} kept: you lose ${percent(error)}, ${say}.`,
    knobs: { column: [x(column), TOP + HIGH] },
  };
};

const whole = (data, x) => Math.max(0, Math.min(data.width - 1, Math.floor((x / SIDE) * data.width)));
const toggle = (data, { kept }, j) => {
  if (kept.includes(j)) return { kept: kept.filter((k) => k !== j), column: j };
  return kept.length < data.most ? { kept: [...kept, j], column: j } : {};
};
const add = (data, state, j) => (state.kept.includes(j) ? {} : toggle(data, state, j));

export default stage({
  draw,
  drag: (data, state, name, x) => ({ column: whole(data, x) }),
  tap: (data, state, x, y) => {
    const inside = x % (W - SIDE); // of either photograph
    return y < TOP || y > TOP + HIGH || inside > SIDE ? {} : toggle(data, state, whole(data, inside));
  },
  act: {
    keep: (data, state) => toggle(data, state, state.column),
    longest: (data, state) => add(data, state, compute(data, state).longest),
    greedy: (data, state) => add(data, state, compute(data, state).greedy),
    random: (data, state) => add(data, state, Math.floor(Math.random() * data.width)),
    undo: (data, { kept }) => ({ kept: kept.slice(0, -1) }),
  },
});
