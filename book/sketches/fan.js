// Chapter 7: one direction of Gaussian data, of variance v, sampled in n steps. Left the spread f(s) = √(v + s²) and
// Euler, for s up to 6√v; right the same as a fan: the angle is arctan(s/√v), the radius what Euler has of the right spread.
// data: variances; top, the largest s; grids[n], levels that fall to 0. state: n, lambda (the number of a variance) and
// levels: those of grids (0), equal angles (1), equal angles at variance 1 (2), or from 3, each a third of the last (3).
const LEVELS = ["of our sampler", "at equal angles", "at angles that are equal at variance 1", "from 3, each a third of the one before"];
const angle = (s, v) => Math.atan2(s, Math.sqrt(v));
const noise = ({ variances, top, grids }, { n, lambda, levels }) => {
  if (levels === 0) return grids[n];
  if (levels === 3) return grids[n].map((_, i) => (i < grids[n].length - 1 ? 3 / 3 ** i : 0));
  const v = levels === 1 ? variances[lambda] : 1, full = angle(top, v), steps = grids[n].length - 1;
  return grids[n].map((_, i) => (i < steps ? Math.sqrt(v) * Math.tan((full * (steps - i)) / steps) : 0));
};

export const compute = (data, state) => {
  const v = data.variances[state.lambda], s = noise(data, state), slope = (y, s) => (s * y) / (v + s * s);
  const euler = [Math.sqrt(v + s[0] ** 2)];
  for (let i = 1; i < s.length; i++) euler.push(euler[i - 1] + (s[i] - s[i - 1]) * slope(euler[i - 1], s[i - 1]));
  return { s, euler, kept: euler.map((y, i) => y / Math.sqrt(v + s[i] ** 2)), angles: s.map((s) => angle(s, v)) };
};

const [W, H, PX, PW, BASE, R] = [480, 268, 30, 206, 228, 178];
const path = (points, more) => `<path fill="none" d="M${points.map((p) => p.map((u) => u.toFixed(1)).join(" ")).join("L")}" ${more}/>`;
const paint = (term) => `class="t-${term}" stroke="var(--t-${term})"`;

export const draw = (data, state) => {
  const { s, euler, kept, angles } = compute(data, state), v = data.variances[state.lambda];
  const f = (u) => Math.sqrt(v + u * u), end_s = Math.min(s[0], 6 * Math.sqrt(v)), most = 1.02 * f(end_s);
  const to = (u, y) => [PX + (u / end_s) * PW, BASE - (y / most) * (BASE - 30)];
  const curve = Array.from({ length: 61 }, (_, k) => (k * end_s) / 60).map((u) => to(u, f(u)));
  const [ox, oy] = [262, BASE];
  const polar = (r, a) => [ox + R * r * Math.cos(a), oy - R * r * Math.sin(a)];
  const arc = Array.from({ length: 46 }, (_, k) => polar(1, (k / 45) * angles[0]));
  const rays = angles.map((a) => path([[ox, oy], polar(1, a)], 'stroke="currentColor" opacity=".25"'));
  let free = Infinity; // rays have their level written beside them where there is room
  const names = angles.map((a, i) => {
    if (free - a < 0.1 + 0.18 * Math.sin(a)) return "";
    free = a;
    const [x, y] = polar(1.03, a);
    const level = +s[i].toFixed(2), whole = `s = ${level}`, fits = x + 6.9 * whole.length < W;
    return `<text x="${x.toFixed(1)}" y="${(y + 4 * Math.cos(a)).toFixed(1)}" font-size="13">${fits ? whole : level}</text>`;
  });
  const walked = (points, stops) => path(points, `${paint("orange")} stroke-width="2.2"`) + stops.map((p) => `<circle cx="${p[0].toFixed(1)}" cy="${p[1].toFixed(1)}" r="3.5" fill="var(--t-orange)"/>`).join("");
  const fan = kept.map((r, i) => polar(r, angles[i])), seen = s.filter((u) => u >= end_s).length - 1;
  const into = (s[seen] - end_s) / (s[seen] - s[seen + 1]); // where the path comes into the picture, on its tangent
  const left = [to(end_s, euler[seen] + into * (euler[seen + 1] - euler[seen])), ...s.slice(seen + 1).map((u, i) => to(u, euler[seen + 1 + i]))];
  const end = `Euler ends with ${kept.at(-1).toFixed(2)} of the right spread`, n = s.length - 1;
  return {
    svg: `<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H + 7}" style="display:block;width:100%;height:auto" font-size="14.5" fill="currentColor" aria-label="Left the right spread against the noise level, up to ${end_s.toFixed(1)}, and the path of Euler in ${n} steps for variance ${v}; right the same as a fan of angles. ${end}.">
      <path d="M${PX} 30V${BASE}H${PX + PW}" fill="none" stroke="currentColor" opacity=".5"/>
      <text x="${PX - 6}" y="20">spread of y</text><text x="${PX + PW}" y="${BASE + 17}" text-anchor="end">s = ${end_s.toFixed(1)}${end_s < s[0] ? " (cut)" : ""}</text><text x="${PX}" y="${BASE + 17}" text-anchor="middle">0</text>
      ${path(curve, `${paint("green")} stroke-width="3"`)}
      ${walked(left, into === 0 ? left : left.slice(1))}
      ${rays.join("")}${names.join("")}${path(arc, `${paint("green")} stroke-width="3"`)}
      ${walked(fan, fan)}
      <text x="262" y="20">share of the right spread</text>
      <text x="${ox}" y="${BASE + 17}" text-anchor="middle">0</text><text x="${ox + R}" y="${BASE + 17}" text-anchor="middle">1</text>
      <path d="M8 ${H - 9}h22" ${paint("green")} stroke-width="3"/><text x="35" y="${H - 4}">right</text>
      <path d="M88 ${H - 9}h22" ${paint("orange")} stroke-width="2.2"/><text x="115" y="${H - 4}">${end}</text></svg>`,
    see: `${n} steps, levels ${LEVELS[state.levels]}, variance ${v}: ${end}.`,
    knobs: {},
  };
};

export default stage({ draw });
