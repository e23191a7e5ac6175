// Chapter 3: a threshold over sorted logits; what stands above it are the shares, once it adds up to 1.
// data: bars, logits in hundredths, falling; entmax-1.5 halves them. state: map, and threshold, in hundredths above LOW.
const LOW = -40, HIGH = 120;
const MAPS = {
  sparsemax: { power: 1, term: "orange", text: "sparsemax: strokes are logits, numbers areas above λ", parts: "areas" },
  "entmax-1.5": { power: 2, term: "green", text: "entmax-1.5: strokes are half logits, numbers areas above λ", parts: "squares" },
};
const sum = (numbers) => numbers.reduce((all, x) => all + x, 0);
const above = ({ bars }, map, lambda) => bars.map((bar) => (Math.max(0, bar / MAPS[map].power - lambda) / 100) ** MAPS[map].power);

export const compute = (data, { map, threshold }) => {
  const areas = above(data, map, LOW + threshold);
  return { areas, total: sum(areas) };
};

const [W, H, U, TOP, END] = [480, 274, 72, 20, 360]; // of the picture, of 1 in it, of its upper edge, of the bars
const height = (hundredths) => TOP + ((HIGH + 6 - hundredths) * U) / 100;
const [X, BASE, LONG, TALL] = [44, 236, 376, 72]; // of the curve below
const spot = (lambda, total) => [X + ((lambda - LOW) / (HIGH - LOW)) * LONG, BASE - (total / 4.6) * TALL];

const digits = (area) => (area === 0 ? "0" : area < 0.005 ? "> 0" : area.toFixed(2));

export const draw = (data, state) => {
  const { areas, total } = compute(data, state), { map } = state;
  const { term, text, parts } = MAPS[map];
  const lambda = LOW + state.threshold, ink = `var(--t-${term})`, at = height(lambda);
  const bars = data.bars.map((logit, k) => {
    const bar = logit / MAPS[map].power;
    const up = Math.max(0, bar - lambda) / 100, wide = U * (map === "sparsemax" ? 1 : up);
    const number = up ? `<text x="${(k + 0.5) * U}" y="${height(bar) - 4}" text-anchor="middle">${digits(areas[k])}</text>` : "";
    return `<rect class="t-${term}" x="${k * U}" y="${height(bar)}" width="${wide}" height="${U * up}" fill="${ink}"/>
      <path d="M${k * U + 2} ${height(bar)}h${U - 4}" stroke="currentColor" stroke-width="3"/>${number}`;
  });
  const curve = Array.from({ length: (HIGH - LOW) / 2 + 1 }, (_, n) => LOW + 2 * n)
    .map((each) => spot(each, sum(above(data, map, each))).map((u) => u.toFixed(1)).join(" "));
  const [x, y] = spot(lambda, total), one = spot(LOW, 1)[1];
  const ticks = [0, 50, 100].map((tick) => `<text x="${spot(tick, 0)[0]}" y="${BASE + 15}" text-anchor="middle">${tick / 100}</text>`);
  const heights = [0, 1, 2, 3, 4].map((tick) => `<text x="${X - 6}" y="${spot(LOW, tick)[1] + 4}" text-anchor="end">${tick}</text>`);
  const close = Math.abs(total - 1) < 1e-9, kept = areas.filter((area) => area > 0).length;
  const told = (lambda / 100).toFixed(2).replace("-", "−");
  const tail = close ? `this is the threshold, and ${kept} of ${areas.length} keep something` : `the threshold must ${total > 1 ? "rise" : "fall"}`;
  return {
    svg: `<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H}" style="display:block;width:100%;height:auto" font-size="13.5" fill="currentColor" aria-label="${areas.length} strokes and a threshold at ${told}. What stands above it for ${map}: ${areas.map(digits).join(", ")}, together ${total.toFixed(2)}. Below, the falling curve of this sum against the threshold.">
      <text x="${U + 8}" y="12" class="t-${term}" fill="${ink}">${text}</text>${bars.join("")}
      <path d="M0 ${height(0)}H${END + 96}M${END + 88} ${height(100)}h8" stroke="currentColor" opacity=".4"/><text x="${END + 102}" y="${height(0) + 5}">0</text><text x="${END + 102}" y="${height(100) + 5}">1</text>
      <path d="M0 ${at}H${END + 24}" stroke="currentColor" stroke-width="1.5"/><text x="${END + 40}" y="${Math.max(at - 4, 27)}">λ = ${told}</text>
      <path stroke="currentColor" fill="none" opacity=".5" d="M${X} ${BASE - TALL}V${BASE}H${X + LONG}"/>${ticks.join("")}${heights.join("")}
      <path stroke="currentColor" stroke-dasharray="4 3" d="M${X} ${one}h${LONG}"/>
      <polyline class="t-${term}" fill="none" stroke="${ink}" stroke-width="2.5" points="${curve.join(" ")}"/>
      <circle class="t-${term}" cx="${x}" cy="${y}" r="6" fill="${ink}"/>
      <text x="${X + 8}" y="${BASE - TALL + 2}">sum above the threshold</text><text x="${X + LONG / 2}" y="${H - 9}" text-anchor="middle">threshold λ</text></svg>`,
    see: `At λ = ${told} the ${parts} add up to ${total.toFixed(2)}: ${tail}.`,
    knobs: { threshold: [END + 24, at] },
  };
};

export const grasp = (data, { y }) => { // what a hand at this height sets
  const hundredths = Math.round(HIGH + 6 - ((y - TOP) / U) * 100);
  return { threshold: Math.max(0, Math.min(HIGH - LOW, hundredths - LOW)) };
};

export default stage({
  draw,
  drag: (data, state, name, x, y) => grasp(data, { y }),
});
