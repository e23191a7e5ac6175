// Chapter 7: a U-Net with a valve in each skip, digits that it draws, what the valves change, and how far all is from real.
// data: rhos and steps, what the ranges stand for; digits[n][rho], grey values of 64 pixels each, as two hexadecimal digits,
// and so real; distances[n][rho], the two distances; levels, the skips' number. state: rho and n, numbers of an entry.
// Distances are drawn on a logarithmic scale, over those of the most steps with open valves.
const GAIN = 7; // a change is drawn seven times as strong, up to full colour
const greys = (text) => text.match(/../g).map((pair) => parseInt(pair, 16) / 255);

export const compute = ({ rhos, digits, distances, levels }, { rho, n }) => {
  const open = rhos.indexOf(1), plain = distances[n][open], most = distances.at(-1)[open];
  const before = greys(digits[n][open]);
  return {
    changed: greys(digits[n][rho]).map((grey, k) => Math.max(-1, Math.min(1, GAIN * (grey - before[k])))),
    factors: Array.from({ length: levels }, (_, i) => 1 + (i / (levels - 1)) * (rhos[rho] - 1)),
    relative: distances[n][rho].map((far, k) => far / plain[k]),
    far: distances[n][rho].map((far, k) => far / most[k]),
    untuned: plain.map((far, k) => far / most[k]),
  };
};

const [W, H, LEFT, RIGHT, TOP, GAP, BASE] = [480, 296, 22, 186, 34, 27, 250];
const [LOW, HIGH] = [0.7, 16];
const scale = (rho) => LEFT + ((rho - 0.3) / 0.9) * (RIGHT - LEFT);
const gauge = (times) => 276 + (Math.log(Math.max(LOW, Math.min(HIGH, times)) / LOW) / Math.log(HIGH / LOW)) * 128;

// One path for each strength of ink, in fifteenths: runs of it in the rows of the pixels.
const [UNIT, COLUMNS] = [4.4, 6];
const tiles = (inks, x, y, color) => {
  const paths = {}, ink = inks.map((u) => Math.round(15 * Math.min(1, Math.max(0, u))));
  for (let row = 0; row < ink.length / 8; row++) {
    const [u, v] = [x + (row >> 3) * 9 * UNIT, y + (row & 7) * UNIT];
    for (let from = 0, to; from < 8; from = to) {
      const grey = ink[row * 8 + from];
      for (to = from + 1; to < 8 && ink[row * 8 + to] === grey; to++);
      if (grey) paths[grey] = `${paths[grey] ?? ""}M${(u + from * UNIT).toFixed(1)} ${v.toFixed(1)}h${((to - from) * UNIT).toFixed(1)}v${UNIT}h${((from - to) * UNIT).toFixed(1)}z`;
    }
  }
  return Object.keys(paths).map((grey) => `<path fill="${color}" fill-opacity="${(grey / 15).toFixed(2)}" d="${paths[grey]}"/>`).join("");
};
const frames = (x, y) => Array.from({ length: COLUMNS }, (_, k) => `<rect x="${(x + k * 9 * UNIT).toFixed(1)}" y="${y}" width="${8 * UNIT}" height="${8 * UNIT}" fill="none" stroke="currentColor" opacity=".25"/>`).join("");

export const draw = (data, state) => {
  const { factors, changed, relative, far, untuned } = compute(data, state), rho = data.rhos[state.rho], n = data.steps[state.n];
  const y = (i) => TOP + i * GAP, inset = (i) => (i >> 1) * 16, size = (i) => 15 - 4 * (i >> 1);
  const node = (x, i) => `<rect x="${x - size(i) / 2}" y="${y(i) - size(i) / 2}" width="${size(i)}" height="${size(i)}" fill="none" stroke="currentColor" stroke-width="1.6"/>`;
  const line = (from, to) => `<path d="M${from.join(" ")}L${to.join(" ")}" stroke="currentColor" stroke-width="1.4" marker-end="url(#valves-tip)"/>`;
  const [bottom, middle] = [y(data.levels - 1) + GAP, (LEFT + RIGHT) / 2];
  const bands = factors.map((factor, i) => {
    const [a, b] = [LEFT + inset(i) + 12, RIGHT - inset(i) - 12];
    return `<path d="M${a} ${y(i) - 7.5}H${b}M${a} ${y(i) + 7.5}H${b}" stroke="currentColor" opacity=".6"/><path d="M${a} ${y(i)}H${b}" stroke="var(--t-blue)" class="t-blue" stroke-width="${(14 * factor).toFixed(2)}" opacity=".75"/>`;
  });
  const steps = factors.slice(1).map((_, i) => line([LEFT + inset(i), y(i) + size(i) / 2 + 1], [LEFT + inset(i + 1), y(i + 1) - size(i + 1) / 2 - 4]) + line([RIGHT - inset(i + 1), y(i + 1) - size(i + 1) / 2 - 1], [RIGHT - inset(i), y(i) + size(i) / 2 + 4]));
  const last = data.levels - 1;
  const under = line([LEFT + inset(last), y(last) + size(last) / 2 + 1], [middle - 9, bottom - 1]) + `<rect x="${middle - 4}" y="${bottom - 4}" width="7" height="7" fill="none" stroke="currentColor" stroke-width="1.6"/>` + line([middle + 5, bottom - 1], [RIGHT - inset(last), y(last) + size(last) / 2 + 4]);
  const names = ["8×8", "4×4", "2×2"].map((name, k) => `<text x="${middle}" y="${y(2 * k + 1) - 9}" text-anchor="middle" font-size="13">${name}</text>`);
  const opened = factors.map((factor, i) => `<rect x="${middle - 16}" y="${y(i) - 9.5}" width="32" height="19" fill="var(--pst-color-background, white)"/><text x="${middle}" y="${y(i) + 4.5}" text-anchor="middle" font-size="13">${factor.toFixed(2)}</text>`);
  const ticks = [0.4, 0.6, 0.8, 1, 1.2].map((at) => `<path d="M${scale(at)} ${BASE - 4}v8" stroke="currentColor"/><text x="${scale(at)}" y="${BASE + 24}" text-anchor="middle">${at}</text>`);
  const rows = ["Fréchet", "energy"].map((name, k) => {
    const [at, before, top] = [gauge(far[k]), gauge(untuned[k]), 219 + 33 * k], better = relative[k] < 0.995, worse = relative[k] > 1.005;
    return `<text x="268" y="${top + 5}" text-anchor="end">${name}</text><path d="M${gauge(LOW)} ${top}H${gauge(HIGH)}" stroke="currentColor" opacity=".4"/>${[1, 2, 4, 8, 16].map((times) => `<path d="M${gauge(times)} ${top - 5}v10" stroke="currentColor" opacity=".4"/>`).join("")}
      <path d="M${before} ${top}H${at}" stroke="var(--t-${better ? "green" : "orange"})" stroke-width="8"/><circle cx="${before}" cy="${top}" r="7" fill="none" stroke="currentColor" stroke-width="1.6"/>
      <circle cx="${at}" cy="${top}" r="4.5"/><text x="${W - 2}" y="${top + 5}" text-anchor="end">× ${relative[k].toFixed(2)}${better ? " ↓" : worse ? " ↑" : ""}</text>`;
  });
  const says = relative.map((times, k) => `${["Fréchet", "energy"][k]} distance ×\u00a0${times.toFixed(2)}`).join(", ");
  return {
    svg: `<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H + 7}" style="display:block;width:100%;height:auto" font-size="14.5" fill="currentColor" aria-label="Left a U-Net whose six skips narrow towards the inmost, factor ${rho}; right ${COLUMNS} digits drawn in ${n} steps, what the valves change in them, and ${COLUMNS} real ones. Against open valves in as many steps: ${says}.">
      <defs><marker id="valves-tip" viewBox="0 0 6 6" refX="4" refY="3" markerWidth="5" markerHeight="5" orient="auto"><path d="M0 0L6 3L0 6z" fill="currentColor"/></marker></defs>
      <text x="${LEFT - 8}" y="14" font-size="13">noisy image</text><text x="${RIGHT + 26}" y="14" text-anchor="end" font-size="13">estimated noise</text>
      ${bands.join("")}${factors.map((_, i) => node(LEFT + inset(i), i) + node(RIGHT - inset(i), i)).join("")}${steps.join("")}${under}${opened.join("")}${names.join("")}
      <path d="M${LEFT} ${BASE}H${RIGHT}" stroke="currentColor" opacity=".5"/>${ticks.join("")}
      <text x="${middle}" y="${H - 4}" text-anchor="middle">ρ, the inmost valve</text>
      <text x="232" y="14" font-size="13">drawn in ${n} steps</text>${tiles(greys(data.digits[state.n][state.rho]), 232, 20, "currentColor")}
      <text x="232" y="71" font-size="13">valves change: <tspan fill="var(--t-purple)">■</tspan> more, <tspan fill="var(--t-orange)">■</tspan> less ink</text>${frames(232, 77)}${tiles(changed, 232, 77, "var(--t-purple)")}${tiles(changed.map((u) => -u), 232, 77, "var(--t-orange)")}
      <text x="232" y="128" font-size="13">real digits</text>${tiles(greys(data.real), 232, 134, "currentColor")}
      <text x="232" y="199">Distance from real digits</text><text x="${W - 2}" y="199" text-anchor="end" font-size="13">vs ring</text>
      ${rows.join("")}<text x="232" y="276" font-size="13">one tick to the right: twice as far</text><circle cx="238" cy="${H - 8}" r="6" fill="none" stroke="currentColor" stroke-width="1.6"/><text x="250" y="${H - 4}" font-size="13">all valves open, as many steps</text></svg>`,
    see: `${n} steps, ρ = ${rho}, against open valves in as many steps: ${says}.`,
    knobs: { rho: [scale(rho), BASE] },
  };
};

export default stage({
  draw,
  drag(data, state, name, x) {
    const far = data.rhos.map((rho) => Math.abs(scale(rho) - x));
    return { rho: far.indexOf(Math.min(...far)) };
  },
});
