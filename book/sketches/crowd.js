// Chapter 6: a table G of eight data points and of noise points, trained by IGN's loss.
// data: points; errors, for each size those of G at the points at the start; offsets of the fakes from theirs; crowds, how
// many fakes each point has at the start; times; rate. state: crowd, time, wₜ in 20ths, error (which size), bound (0 or 1).
// The other weights are 1. trail: the mean of the fakes that began at the first point, every 20 steps and at last; places:
// to how many points these fakes are nearest.
const W20 = 20, GONE = 40, EVERY = 20;
export const compute = ({ points, errors, offsets, crowds, times, rate }, { crowd, time, wₜ: w, error = 0, bound }) => {
  const K = points.length, M = offsets.length, w_t = w / W20, began = crowds[crowd][0];
  const of = (rows, i) => Float64Array.from(rows, (row) => row[i]);
  const [px, py] = [0, 1].map((i) => of(points, i));
  const [gx, gy] = [px, py].map((u, i) => u.map((v, k) => v + errors[error][k][i]));
  const owner = crowds[crowd].flatMap((n, k) => Array(n).fill(k));
  const [fx, fy] = [px, py].map((u, i) => of(offsets, i).map((v, j) => v + u[owner[j]]));
  const count = new Int32Array(K), sx = new Float64Array(K), sy = new Float64Array(K), trail = [];
  const mean = () => [fx, fy].map((u) => u.subarray(0, began).reduce((a, b) => a + b) / began);
  let step = 0, gone = false, left = w_t; // the weight that the bound leaves
  for (; ; step++) {
    let R = 0, T = 0;
    count.fill(0), sx.fill(0), sy.fill(0);
    for (let j = 0; j < M; j++) {
      let least = Infinity, k = 0;
      for (let i = 0; i < K; i++) {
        const d = (fx[j] - px[i]) ** 2 + (fy[j] - py[i]) ** 2;
        if (d < least) (least = d), (k = i);
      }
      owner[j] = k;
      count[k]++, (sx[k] += fx[j]), (sy[k] += fy[j]);
      T += ((gx[k] - fx[j]) ** 2 + (gy[k] - fy[j]) ** 2) / M;
    }
    for (let k = 0; k < K; k++) {
      const far = (gx[k] - px[k]) ** 2 + (gy[k] - py[k]) ** 2;
      R += far / K;
      gone ||= far > GONE ** 2;
    }
    if (bound) left = w_t / Math.cosh(Math.min(300, T / (1.5 * R))) ** 2;
    const last = step >= times[time] || gone;
    if (last || step % EVERY === 0) trail.push(mean());
    if (last) break;
    for (let j = 0; j < M; j++) (fx[j] -= ((2 * rate) / M) * (fx[j] - gx[owner[j]])), (fy[j] -= ((2 * rate) / M) * (fy[j] - gy[owner[j]]));
    for (let k = 0; k < K; k++) {
      gx[k] -= 2 * rate * ((gx[k] - px[k]) / K - (left * (count[k] * gx[k] - sx[k])) / M);
      gy[k] -= 2 * rate * ((gy[k] - py[k]) / K - (left * (count[k] * gy[k] - sy[k])) / M);
    }
  }
  const pairs = (x, y) => Array.from(x, (u, i) => [u, y[i]]);
  return { g: pairs(gx, gy), fakes: pairs(fx, fy), owner, count: [...count], step, gone, left, trail, places: new Set(owner.slice(0, began)).size };
};

const [W, H, UNIT, HIGH, BASE] = [480, 300, 24, 200, 196], MID = [150, 150];
const to = ([x, y]) => [MID[0] + UNIT * x, MID[1] - UNIT * y];
export const draw = (data, state) => {
  const { g, fakes, owner, count, step, gone, trail, places } = compute(data, state), M = fakes.length, K = count.length;
  const [orange, blue] = ["var(--t-orange)", "var(--t-blue)"], p = (u) => u.toFixed(1);
  const arrows = data.points.map((y, k) => [to(y), to(g[k])]).map(([[a, b], [c, d]]) => `<path d="M${p(a)} ${p(b)}L${p(c)} ${p(d)}" stroke="${blue}" stroke-width="1.6"/><circle cx="${p(c)}" cy="${p(d)}" r="3.5" fill="${blue}"/>`);
  const dots = fakes.map(to).map(([x, y]) => `<circle cx="${p(x)}" cy="${p(y)}" r="2"/>`);
  const way = trail.map(to).map(([x, y], k) => `${k ? "L" : "M"}${p(x)} ${p(y)}`).join("");
  const bars = count.map((n, k) => {
    const ofCrowd = owner.slice(0, data.crowds[state.crowd][0]).filter((i) => i === k).length;
    const bar = (m, look) => `<rect x="${322 + 18 * k}" y="${p(BASE - (HIGH * m) / M)}" width="13" height="${p((HIGH * m) / M)}" fill="${orange}"${look}/>`;
    return `${bar(n, ' fill-opacity=".45"')}${bar(ofCrowd, "")}<text x="${328.5 + 18 * k}" y="${BASE + 14}" text-anchor="middle" font-size="13">${k + 1}</text>`;
  });
  const named = data.points.map(([x, y], k) => `<text x="${p(to([1.42 * x, 0])[0])}" y="${p(to([0, 1.42 * y])[1] + 4.5)}" text-anchor="middle" font-size="13" stroke="var(--pst-color-background, white)" stroke-width="4" paint-order="stroke">${k + 1}</text>`);
  const line = (q) => p(BASE - HIGH * q), most = Math.max(...count) / M, w_t = state.wₜ / W20;
  const most_p = (1 / K + 1 / M) / w_t; // w_t q < p + 1/M
  const cap = !state.bound && w_t && most_p < 0.7 ? `<path d="M318 ${line(most_p)}h150" stroke="currentColor" stroke-dasharray="5 3"/><text x="468" y="${p(BASE - 5 - HIGH * most_p)}" text-anchor="end" font-size="13" stroke="var(--pst-color-background, white)" stroke-width="3" paint-order="stroke">above: unstable</text>` : "";
  const rule = state.bound ? "tightness bounded" : w_t && most_p < 1 ? `unstable above a share of ${most_p.toFixed(3)}` : "stable at any share";
  const said = step.toLocaleString("en"), size = Math.hypot(...data.errors[state.error][0]).toFixed(2);
  const [x, y] = trail.at(-1), [a, b] = data.points[0], off = Math.hypot(x - a, y - b).toFixed(1);
  const end = `${gone ? `the table has exploded after ${said} steps (G of a data point is 40 away)` : `after ${said} steps the largest share is ${most.toFixed(3)}`}, and the fakes that began at point 1 are ${places > 1 ? `nearest to ${places} points` : `${off} away from it`}`;
  return {
    svg: `<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H}" style="display:block;width:100%;height:auto" font-size="14" fill="currentColor" aria-label="Eight data points, G of each, and the fakes; beside them the share of the fakes at each point, solid for those that began at point 1. Tightness weighs ${w_t.toFixed(2)}, the error was ${size}; ${end}.">
      <clipPath id="crowd-plane"><rect x="1" y="1" width="298" height="298"/></clipPath><rect x="1" y="1" width="298" height="298" fill="none" stroke="currentColor" stroke-width=".8"/>
      <g clip-path="url(#crowd-plane)">${data.points.map(to).map(([x, y]) => `<circle cx="${p(x)}" cy="${p(y)}" r="8" fill="none" stroke="currentColor" stroke-width="1.2"/>`).join("")}
      <path d="${way}" fill="none" stroke="${orange}" stroke-width="1.5"/><g class="t-blue">${arrows.join("")}</g><g class="t-orange" fill="${orange}" fill-opacity=".6">${dots.join("")}</g>${named.join("")}</g>
      <text x="318" y="20" font-weight="bold">share of the fakes</text><text x="318" y="37" font-size="13">nearest to each point</text><path d="M318 ${BASE}h150" stroke="currentColor"/>${bars.join("")}
      <path d="M318 ${line(1 / K)}h150" stroke="currentColor" stroke-width=".8"/>${cap}
      <g font-size="13"><path d="M320 228h14" stroke="currentColor" stroke-width=".8"/><text x="340" y="232">share of the data</text><path d="M318 244.5h16" stroke="${blue}" stroke-width="1.6"/><circle cx="334" cy="244.5" r="3.5" fill="${blue}"/><text x="342" y="249">data point to its G</text><path d="M320 262h14" stroke="${orange}" stroke-width="1.5"/><text x="340" y="266">crowd: trail, solid</text></g>
      <text x="318" y="292">wₜ = ${w_t.toFixed(2)}${state.bound ? ", bounded" : gone ? ", exploded" : `, step ${said}`}</text></svg>`,
    see: `wₜ = ${w_t.toFixed(2)}, error ${size}, ${rule}: ${end}.`,
    knobs: {},
  };
};
export default stage({ draw });
