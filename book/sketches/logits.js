// Chapter 3: three logits, and where four maps take them. Without a shift they add up to 1: a point x of the plane in
// which the triangle of probabilities lies. state: direction of x from the middle, in degrees, 0 towards the first
// corner; its distance from there, in units of STEP; and what is added to all three, in halves, from LOWEST.
const STEP = 0.02, LOWEST = -4, MOST = 8, CORNER = Math.sqrt(2 / 3); // the distance of a corner from the middle
const sum = (numbers) => numbers.reduce((all, x) => all + x, 0);
const normed = (numbers) => numbers.map((x) => x / sum(numbers));
const logits = ({ direction, distance }) =>
  [0, 120, 240].map((way) => 1 / 3 + CORNER * STEP * distance * Math.cos(((direction - way) * Math.PI) / 180));

// The largest of min(level(the k largest), the k-th largest) over k: the level above which 1 remains.
const level = (z, of) => {
  const falling = [...z].sort((a, b) => b - a);
  return Math.max(...falling.map((last, k) => Math.min(of(falling.slice(0, k + 1)), last)));
};
const sparsemax = (x) => {
  const all = level(x, (kept) => (sum(kept) - 1) / kept.length);
  return x.map((a) => Math.max(0, a - all));
};
const entmax = (x) => {
  const z = x.map((a) => a / 2);
  const all = level(z, (kept) => {
    const k = kept.length, mean = sum(kept) / k, spread = sum(kept.map((a) => (a - mean) ** 2)) / k;
    return mean - Math.sqrt(Math.max(0, 1 / k - spread));
  });
  return z.map((a) => Math.max(0, a - all) ** 2);
};

export const compute = (data, state) => {
  const x = logits(state).map((a) => a + LOWEST + state.shift / 2), top = Math.max(...x);
  return {
    x,
    softmax: normed(x.map((a) => Math.exp(a - top))),
    entmax: entmax(x),
    sparsemax: sparsemax(x),
    taylor: normed(x.map((a) => 1 + a + (a * a) / 2)),
  };
};

const NAMES = ["A", "B", "C"];
const MAPS = [
  ["softmax", "softmax", "blue", "M-7 0a7 7 0 1 0 14 0a7 7 0 1 0-14 0z"],
  ["entmax", "entmax-1.5", "green", "M0-8.5L8.5 0L0 8.5L-8.5 0z"],
  ["sparsemax", "sparsemax", "orange", "M-7-7h14v14h-14z"],
  ["taylor", "Taylor", "purple", "M-8-6.5h16L0 8z"],
];
const [W, H, TOP, TABLE] = [480, 352, 20, 256];
// Two views of the plane: left, top, width, height, the middle of the triangle, pixels for 1.
const VIEWS = {
  near: { x: 0, y: TOP, w: 290, h: 220, mid: [145, TOP + 128], unit: 112 },
  far: { x: 304, y: TOP, w: 176, h: 176, mid: [392, TOP + 88], unit: 10.4 },
};
// A point whose coordinates add up to 1, in a view.
const to = (view, [a, b, c]) => [
  view.mid[0] + (view.unit * (c - b)) / Math.SQRT2,
  view.mid[1] - view.unit * CORNER * (a - (b + c) / 2),
];
// The point itself, or where the way to it from `start` leaves the view, a little inside.
const within = ({ x, y, w, h }, start, end) => {
  const edges = [[x + 9, x + w - 9], [y + 9, y + h - 9]];
  const parts = end.map((to, i) => {
    const bound = edges[i][to > start[i] ? 1 : 0];
    return (to - bound) * (to - start[i]) > 0 ? (bound - start[i]) / (to - start[i]) : 1;
  });
  return end.map((to, i) => start[i] + Math.min(...parts) * (to - start[i]));
};
const mark = ([, , term, path], [x, y], size = 1) =>
  `<path class="t-${term}" transform="translate(${x.toFixed(1)} ${y.toFixed(1)}) scale(${size})" d="${path}" fill="none" stroke="var(--t-${term})" stroke-width="${2.4 / size}"/>`;
const digits = (p) => (p === 0 || p === 1 ? String(p) : p < 0.005 ? "> 0" : p > 0.995 ? "&lt; 1" : p.toFixed(2));
const signed = (x) => x.toFixed(2).replace("-", "−").replace("−0.00", "0.00");

const say = ({ x, entmax, sparsemax, taylor }) => {
  const order = [0, 1, 2].sort((i, j) => x[j] - x[i]), [first, second, last] = order;
  if (x[first] - x[last] < 1e-9) return "A tie: all four give a third to each.";
  const zeros = (p) => order.filter((i) => p[i] === 0).map((i) => NAMES[i]).sort().join(" and ");
  const [many, few] = [zeros(sparsemax), zeros(entmax)];
  const sparse = !many
    ? "You see x in the triangle, and sparsemax gives the shares of that point; the others give shares nearer to a tie."
    : many === few
      ? `Sparsemax and entmax-1.5 give exactly 0 to ${many}, softmax to none.`
      : `Sparsemax gives exactly 0 to ${many}, ${few ? `entmax-1.5 to ${few}, softmax` : "the others"} to none.`;
  const ahead = (i) => x[i] - x[last] > 1e-9 && taylor[last] - taylor[i] > 1e-9;
  const turned = ahead(first) ? ["most to ", ", the lowest"] : ahead(second) && ["more to ", `, the lowest, than to ${NAMES[second]}`];
  return turned ? `${sparse} Taylor gives ${turned[0]}${NAMES[last]}${turned[1]}.` : sparse;
};

export const draw = (data, state) => {
  const all = compute(data, state), { x, sparsemax } = all;
  const at = {};
  const panel = ([name, view]) => {
    const corner = (i) => to(view, [0, 1, 2].map((j) => Number(i === j)));
    const nearest = to(view, sparsemax);
    const end = to(view, x), [left, up] = end.map((u, i) => u - nearest[i]);
    at[name] = within(view, nearest, end);
    const beyond = Math.hypot(end[0] - at[name][0], end[1] - at[name][1]) > 1; // x itself lies out of the view
    const turn = `translate(${at[name].map((u) => u.toFixed(1)).join(" ")}) rotate(${((Math.atan2(up, left) * 180) / Math.PI).toFixed(1)})`;
    const [along, down] = [at[name][0] - view.x, at[name][1] - view.y], room = 44;
    const edge = beyond && Math.min(along, view.w - along) < room; // there the name stands under the mark, or over it
    const leftward = beyond ? at[name][0] < view.mid[0] : along > view.w - room;
    const aside = edge ? [-14, down < view.h / 2 ? 26 : -16] : [leftward ? (beyond ? -44 : -20) : 12, down < 14 ? 16 : -6];
    const named = aside.map((by, i) => (at[name][i] + by).toFixed(1));
    const head = beyond ? `<path transform="${turn}" d="M20 0L8 -6v12z" fill="currentColor"/>` : "";
    const range = `<circle cx="${view.mid[0]}" cy="${view.mid[1]}" r="${view.unit * MOST}" fill="none" stroke="currentColor" opacity=".3"/>`;
    const marks = name === "near" ? MAPS.map((map) => mark(map, to(view, all[map[0]]))).join("") : range;
    const label = (i) => {
      const away = name === "near" ? CORNER + 0.13 : MOST - 0.9;
      const [a, b] = to(view, logits({ direction: 120 * i, distance: away / STEP }));
      return `<text x="${a.toFixed(1)}" y="${(b + 4.5).toFixed(1)}" text-anchor="middle">${NAMES[i]}</text>`;
    };
    return `<clipPath id="logits-${name}"><rect x="${view.x}" y="${view.y}" width="${view.w}" height="${view.h}"/></clipPath>
      <rect x="${view.x}" y="${view.y}" width="${view.w}" height="${view.h}" fill="none" stroke="currentColor" opacity=".3"/>
      <g clip-path="url(#logits-${name})"><path d="M${[0, 1, 2].map((i) => corner(i).map((u) => u.toFixed(1)).join(" ")).join("L")}z" fill="currentColor" fill-opacity=".1" stroke="currentColor"/>
      ${[0, 1, 2].map(label).join("")}
      <path d="M${nearest.join(" ")}L${end.join(" ")}" stroke="currentColor" stroke-width="1.5"/>${marks}</g>${head}
      <text x="${named[0]}" y="${named[1]}"${beyond ? ">to " : ">"}<tspan font-style="italic">x</tspan></text>`;
  };
  const rows = MAPS.map((map, n) => {
    const y = TABLE + 18 + 22 * n, [key, name, term] = map;
    const bars = all[key].map((p, i) => {
      const left = 112 + 124 * i, long = 80 * p;
      return `<rect class="t-${term}" x="${left}" y="${y - 7}" width="${long.toFixed(1)}" height="14" fill="var(--t-${term})"/><text x="${(left + long + 5).toFixed(1)}" y="${y + 5}" ${p ? "" : 'font-weight="bold"'}>${digits(p)}</text>`;
    });
    return `${mark(map, [10, y], 0.85)}<text x="24" y="${y + 5}">${name}</text>${bars.join("")}`;
  });
  const told = MAPS.map(([key, name]) => `${name} (${all[key].map(digits).join(", ")})`).join(", ");
  const panels = Object.entries(VIEWS).map(panel).join("");
  return {
    svg: `<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H}" style="display:block;width:100%;height:auto" font-size="13.5" fill="currentColor" aria-label="The plane of three logits, seen along their common shift, near the triangle of probabilities and from afar, with the point x = (${x.map(signed).join(", ")}), a line from it to the nearest point of the triangle, and the marks of four maps: ${told}.">
      <text x="0" y="13">near the triangle</text><text x="${VIEWS.far.x}" y="13">from afar</text>${panels}
      ${x.map((a, i) => `<text x="${VIEWS.far.x + 63 * i}" y="${TOP + 196}" fill-opacity=".8">logit ${NAMES[i]}</text><text x="${VIEWS.far.x + 63 * i}" y="${TOP + 214}">${signed(a)}</text>`).join("")}
      ${NAMES.map((name, i) => `<path stroke="currentColor" opacity=".4" d="M${112 + 124 * i} ${TABLE + 6}v84"/><text x="${112 + 124 * i}" y="${TABLE + 1}" font-size="12">share of ${name}</text>`).join("")}
      ${rows.join("")}</svg>`,
    see: say(all),
    knobs: at,
  };
};

const polar = (name, x, y) => {
  const { mid, unit } = VIEWS[name], [left, up] = [(mid[0] - x) / unit, (mid[1] - y) / unit];
  const direction = Math.round((Math.atan2(left, up) * 180) / Math.PI);
  const distance = Math.min(MOST / STEP, Math.round(Math.hypot(left, up) / STEP));
  return { direction: (direction + 360) % 360, distance };
};

export const grasp = (data, { view, x, y }) => polar(view, x, y); // what a hand at a place of a view sets

export default stage({
  draw,
  drag: (data, state, view, x, y) => grasp(data, { view, x, y }),
  tap(data, state, x, y) {
    const inside = ([, v]) => x >= v.x && x <= v.x + v.w && y >= v.y && y <= v.y + v.h;
    const view = Object.entries(VIEWS).find(inside);
    return view ? polar(view[0], x, y) : {};
  },
});
