// Chapter 6: a table G of eight data points and of noise points, trained by IGN's loss.
// data: points; errors, of G at the points in the start; offsets of the fakes from theirs; crowds, how many fakes each
// point has in the start; times; rate. state: crowd, time, wₜ in 20ths, bound (0 or 1). The other weights are 1.
const W20 = 20, GONE = 40;
export const compute = ({ points, errors, offsets, crowds, times, rate }, { crowd, time, wₜ: w, bound }) => {
  const K = points.length, M = offsets.length, w_t = w / W20;
  const of = (rows, i) => Float64Array.from(rows, (row) => row[i]);
  const [px, py] = [0, 1].map((i) => of(points, i));
  const [gx, gy] = [px, py].map((u, i) => u.map((v, k) => v + errors[k][i]));
  const owner = crowds[crowd].flatMap((n, k) => Array(n).fill(k));
  const [fx, fy] = [px, py].map((u, i) => of(offsets, i).map((v, j) => v + u[owner[j]]));
  const count = new Int32Array(K), sx = new Float64Array(K), sy = new Float64Array(K);
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
    if (step >= times[time] || gone) break;
    for (let j = 0; j < M; j++) (fx[j] -= ((2 * rate) / M) * (fx[j] - gx[owner[j]])), (fy[j] -= ((2 * rate) / M) * (fy[j] - gy[owner[j]]));
    for (let k = 0; k < K; k++) {
      gx[k] -= 2 * rate * ((gx[k] - px[k]) / K - (left * (count[k] * gx[k] - sx[k])) / M);
      gy[k] -= 2 * rate * ((gy[k] - py[k]) / K - (left * (count[k] * gy[k] - sy[k])) / M);
    }
  }
  const pairs = (x, y) => Array.from(x, (u, i) => [u, y[i]]);
  return { g: pairs(gx, gy), fakes: pairs(fx, fy), owner, count: [...count], step, gone, left };
};

const [W, H, UNIT] = [480, 300, 50], MID = [150, 150];
const to = ([x, y]) => [MID[0] + UNIT * x, MID[1] - UNIT * y];
const inside = ([x, y]) => x > 2 && x < 298 && y > 2 && y < 298;
export const draw = (data, state) => {
  const { g, fakes, owner, count, step, gone, left } = compute(data, state), M = fakes.length, K = count.length;
  const [orange, blue] = ["var(--t-orange)", "var(--t-blue)"], p = (u) => u.toFixed(1);
  const arrows = data.points.map((y, k) => [to(y), to(g[k])]).map(([[a, b], [c, d]]) => `<path d="M${p(a)} ${p(b)}L${p(c)} ${p(d)}" stroke="${blue}" stroke-width="2"/><circle cx="${p(c)}" cy="${p(d)}" r="4" fill="${blue}"/>`);
  const seen = fakes.map(to), out = seen.filter((v) => !inside(v));
  const dots = seen.filter(inside).map(([x, y]) => `<circle cx="${p(x)}" cy="${p(y)}" r="2"/>`);
  const edge = out.map((v) => v.map((u, i) => u - MID[i])).map(([x, y]) => [x, y].map((u) => (u * 144) / Math.max(Math.abs(x), Math.abs(y))));
  const places = new Set(edge.map((v) => v.map((u) => 8 * Math.round(u / 8)).join())); // one ring for those side by side
  const rings = [...places].map((v) => v.split(",")).map(([x, y]) => `<circle cx="${MID[0] + +x}" cy="${MID[1] + +y}" r="3.5"/>`);
  const fled = Array(K).fill(0);
  seen.forEach((v, j) => inside(v) || fled[owner[j]]++);
  const bars = count.map((n, k) => {
    const h = (170 * n) / M;
    const full = (170 * (n - fled[k])) / M; // hollow: fakes outside of the frame
    return `<rect x="${322 + 18 * k}" y="${p(230 - h)}" width="13" height="${p(h)}" fill="none" stroke="${orange}" stroke-width="${n ? 1 : 0}"/><rect x="${322 + 18 * k}" y="${p(230 - full)}" width="13" height="${p(full)}" fill="${orange}"/><text x="${328.5 + 18 * k}" y="243" text-anchor="middle" font-size="13">${k + 1}</text>`;
  });
  const named = data.points.map(([x, y], k) => `<text x="${p(to([1.28 * x, 0])[0])}" y="${p(to([0, 1.28 * y])[1] + 4)}" text-anchor="middle">${k + 1}</text>`);
  const line = (q) => p(230 - 170 * q), most = Math.max(...count) / M, w_t = state.wₜ / W20;
  const most_p = (1 / K + 1 / M) / w_t; // w_t q < p + 1/M
  const cap = w_t && !state.bound && most_p < 1.05 ? `<path d="M318 ${line(most_p)}h150" stroke="currentColor" stroke-dasharray="5 3"/><text x="468" y="${p(225 - 170 * most_p)}" text-anchor="end" font-size="13" stroke="var(--pst-color-background, white)" stroke-width="3" paint-order="stroke">above: unstable</text>` : "";
  const weight = w_t.toFixed(2) + (state.bound ? ", bounded" : ""), kept = left < 0.005 ? "0" : left.toFixed(2);
  const rule = state.bound ? `, the bound leaves ${kept} of it` : w_t && most_p < 1 ? `, unstable above a share of ${most_p.toFixed(2)}` : ", stable at any share";
  const end = gone ? `the table has exploded after ${step} steps, with a share of ${most.toFixed(2)} nearest to point ${count.indexOf(Math.max(...count)) + 1}` : `after ${step} steps the largest share is ${most.toFixed(2)}`;
  const away = out.length ? ` Outside of the frame: ${out.length} of ${M} fakes.` : "";
  return {
    svg: `<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H}" style="display:block;width:100%;height:auto" font-size="14" fill="currentColor" aria-label="Eight data points, G of each, and the fakes; beside them the share of the fakes at each point. Tightness weighs ${weight}${state.bound ? `, of which ${kept} is left` : ""}; ${end}.">
      <clipPath id="crowd-plane"><rect x="1" y="1" width="298" height="298"/></clipPath><rect x="1" y="1" width="298" height="298" fill="none" stroke="currentColor" stroke-width=".8"/>
      <g clip-path="url(#crowd-plane)">${data.points.map(to).map(([x, y]) => `<circle cx="${p(x)}" cy="${p(y)}" r="10" fill="none" stroke="currentColor" stroke-width="1.2"/>`).join("")}<g class="t-blue">${arrows.join("")}</g></g>
      <g class="t-orange" fill="${orange}" fill-opacity=".55">${dots.join("")}</g><g fill="none" stroke="${orange}" stroke-width="1.3">${rings.join("")}</g>
      <text x="318" y="22" font-weight="bold">share of the fakes</text><path d="M318 230h150" stroke="currentColor"/>${bars.join("")}
      <path d="M318 ${line(1 / K)}h150" stroke="currentColor" stroke-width=".8"/>${cap}${named.join("")}
      <text x="318" y="260" font-size="13">line: share of the data</text><text x="318" y="278">wₜ = ${w_t.toFixed(2)}${state.bound ? `, left: ${kept}` : ""}</text><text x="318" y="295">${gone ? "exploded" : `step ${step}`}</text></svg>`,
    see: `wₜ = ${w_t.toFixed(2)}${rule}: ${end}.${away}`,
    knobs: {},
  };
};
export default stage({ draw });
