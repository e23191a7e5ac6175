// Chapter 6: a point x, G(x) and G(G(x)) for IGNs 2 → … → 2 at several training times, and how far G moves each.
// data: widths; unit; nets, for each kind of noise and each time the weights as base64 of 16-bit whole numbers, 1/unit
// each, a layer's matrix before its biases; times; noise, the points of each kind. state: noise, time, x and y in tenths
// from the lower left corner.
const [LEFT, BOTTOM, TENTH] = [-3.4, -3.2, 10];
const decoded = new Map();
const weights = ({ nets, unit }, { noise, time }) => {
  const text = nets[noise][time];
  if (!decoded.has(text)) decoded.set(text, Float64Array.from(new Int16Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer), (k) => k / unit));
  return decoded.get(text);
};
const apply = (W, widths, x) => {
  let at = 0;
  for (let k = 0; k + 1 < widths.length; k++) {
    const [n, m] = [widths[k], widths[k + 1]], out = Array.from(W.subarray(at + n * m, at + n * m + m));
    for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) out[j] += x[i] * W[at + i * m + j];
    x = k + 2 < widths.length ? out.map((v) => v / (1 + Math.exp(-v))) : out;
    at += (n + 1) * m;
  }
  return x;
};
const start = ({ x, y }) => [LEFT + x / TENTH, BOTTOM + y / TENTH];
const far = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

const network = (data, state) => (x) => apply(weights(data, state), data.widths, x);
const known = new Map(); // of each network: its fakes, and how far G moves them on average
const fakesOf = (data, state) => {
  const text = data.nets[state.noise][state.time];
  if (!known.has(text)) {
    const G = network(data, state), fakes = data.noise[state.noise].map(G);
    known.set(text, { fakes, own: fakes.reduce((sum, y) => sum + far(y, G(y)), 0) / fakes.length });
  }
  return known.get(text);
};
export const compute = (data, state) => {
  const G = network(data, state), path = [start(state)];
  for (let k = 0; k < 3; k++) path.push(G(path[k]));
  return { path: path.slice(0, 3), moved: [0, 1, 2].map((k) => far(path[k], path[k + 1])), own: fakesOf(data, state).own };
};

const [W, H, UNIT, X0, Y0] = [480, 300, 38, 2, 8], [COLS, ROWS] = [84, 64];
const to = ([x, y]) => [X0 + UNIT * (x - LEFT), Y0 + UNIT * (-BOTTOM - y)];
const around = (radius) => Array.from({ length: 8 }, (_, k) => to([radius * Math.cos((k * Math.PI) / 4), radius * Math.sin((k * Math.PI) / 4)]));
const backgrounds = new Map();
const background = (data, state) => {
  const key = `${state.noise} ${state.time}`;
  if (!backgrounds.has(key)) {
    const G = network(data, state), CELL = 2;
    let text = "";
    for (let i = 0; i < COLS; i += CELL)
      for (let j = 0; j < ROWS; j += CELL) {
        const at = [LEFT + (i + CELL / 2) / TENTH, BOTTOM + (j + CELL / 2) / TENTH], [x, y] = to([LEFT + i / TENTH, BOTTOM + Math.min(j + CELL, ROWS) / TENTH]);
        const real = Math.max(0, 1 - far(at, G(at)) / 1.2), [w, h] = [Math.min(CELL, COLS - i), Math.min(CELL, ROWS - j)];
        if (real > 0.04) text += `<rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${((w * UNIT) / TENTH).toFixed(1)}" height="${((h * UNIT) / TENTH).toFixed(1)}" opacity="${(0.5 * real).toFixed(2)}"/>`;
      }
    const { fakes } = fakesOf(data, state), at = Array(8).fill(0);
    for (const [x, y] of fakes) at[(Math.round((Math.atan2(y, x) * 4) / Math.PI) + 8) % 8]++;
    const within = (points) => points.map(to).filter(([x, y]) => x > X0 && x < X0 + 8.4 * UNIT && y > Y0 && y < Y0 + 6.4 * UNIT);
    const circles = (points, r) => within(points).map(([x, y]) => `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${r}"/>`).join("");
    backgrounds.set(key, {
      green: `<g fill="var(--t-green)" shape-rendering="crispEdges">${text}</g>`,
      fakes: `<g class="t-orange" fill="var(--t-orange)">${circles(fakes, 2.2)}</g>`,
      noise: `<g fill="none" stroke="currentColor" stroke-width=".8" opacity=".6">${circles(data.noise[state.noise], 2)}</g>`,
      counts: around(2.62).map(([x, y], k) => `<text x="${x.toFixed(1)}" y="${(y + 4.5).toFixed(1)}">${at[k]}</text>`).join(""),
      told: `${Math.max(...at)} of the ${fakes.length} fakes are nearest to one cloud.`,
    });
  }
  return backgrounds.get(key);
};

export const draw = (data, state) => {
  const { path, moved, own } = compute(data, state), places = path.map(to), names = ["x", "G(x)", "G(G(x))"];
  const ring = around(2);
  const blue = "var(--t-blue)";
  const [right, bar] = [X0 + 8.4 * UNIT + 18, 104];
  const bars = [...moved, own].map((m, k) => {
    const y = 52 + 54 * k, length = Math.min(1, m / 2) * bar;
    return `<text x="${right}" y="${y}">${k < 3 ? `<tspan font-style="italic">${names[k]}</tspan>` : "its fakes, mean"}</text><rect x="${right}" y="${y + 7}" width="${bar}" height="14" fill="none" stroke="currentColor" stroke-width=".8"/><rect x="${right}" y="${y + 7}" width="${length.toFixed(1)}" height="14" fill="${blue}"/><text x="${right}" y="${y + 34}" font-size="12">moves by ${m.toFixed(2)}</text>`;
  });
  const line = places.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  const steps = data.times[state.time], noise = state.noise ? "noise around (3, 0)" : "noise around (0, 0)";
  const told = moved.map((m) => m.toFixed(2)), back = background(data, state);
  return {
    svg: `<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H}" style="display:block;width:100%;height:auto" font-size="14" fill="currentColor" aria-label="A plane with the eight Gaussians of the data, points that the network leaves alone in green, its noise as small rings, and its fakes in orange. After ${steps.toLocaleString("en")} steps with ${noise}, the point at ${path[0].map((u) => u.toFixed(1)).join(", ")} goes to ${path[1].map((u) => u.toFixed(1)).join(", ")} and then to ${path[2].map((u) => u.toFixed(1)).join(", ")}.">
      ${back.green}${back.noise}
      <rect x="${X0}" y="${Y0}" width="${8.4 * UNIT}" height="${6.4 * UNIT}" fill="none" stroke="currentColor" stroke-width=".8"/>
      ${ring.map(([x, y]) => `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${0.2 * UNIT}" fill="none" stroke="currentColor" stroke-width="1.2"/>`).join("")}
      <path d="${line}" fill="none" stroke="${blue}" class="t-blue" stroke-width="2.5"/>
      ${places.map(([x, y], k) => `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${[5, 4.5, 3][k]}" fill="${k === 1 ? "var(--pst-color-background, white)" : blue}" stroke="${blue}" stroke-width="2"/>`).join("")}
      ${back.fakes}<g class="t-orange" fill="var(--t-orange)" font-size="13" font-weight="bold" text-anchor="middle" stroke="var(--pst-color-background, white)" stroke-width="3" paint-order="stroke">${back.counts}</g>
      <text x="${right}" y="24" font-weight="bold">how far G moves</text>${bars.join("")}
      <circle cx="${X0 + 8}" cy="${H - 22}" r="6" fill="none" stroke="currentColor" stroke-width="1.2"/><text x="${X0 + 20}" y="${H - 17}">data</text>
      <circle cx="${X0 + 64}" cy="${H - 22}" r="2.4" fill="none" stroke="currentColor"/><text x="${X0 + 72}" y="${H - 17}">noise z</text><circle cx="${X0 + 136}" cy="${H - 22}" r="2.6" fill="var(--t-orange)"/><text x="${X0 + 144}" y="${H - 17}">fakes G(z)</text>
      <rect x="${X0 + 228}" y="${H - 28}" width="13" height="12" fill="var(--t-green)" opacity=".5"/><text x="${X0 + 246}" y="${H - 17}">G moves it little: “real”</text></svg>`,
    see: `${steps.toLocaleString("en")} steps, ${noise}. From (${path[0].map((u) => u.toFixed(1)).join(", ")}) G moves by ${told[0]}, then by ${told[1]}, then by ${told[2]}; its own fakes it moves by ${own.toFixed(2)}, on average. ${back.told}`.replaceAll("-", "−"),
    knobs: { x: places[0] },
  };
};

const inside = (x, y) => {
  const tenth = (u, low, most) => Math.max(0, Math.min(most, Math.round((u - low) * TENTH)));
  return { x: tenth((x - X0) / UNIT + LEFT, LEFT, COLS), y: tenth(-BOTTOM - (y - Y0) / UNIT, BOTTOM, ROWS) };
};
export default stage({ draw, drag: (data, state, name, x, y) => inside(x, y), tap: (data, state, x, y) => (x > X0 + 8.4 * UNIT || y > Y0 + 6.4 * UNIT ? {} : inside(x, y)) });
