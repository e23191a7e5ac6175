// Chapter 1: six pages, each with a value in the plane and a score, are read one after the other; y/z walks.
// data: values, [[x, y], …] in [-1, 1]²; queries, scores that each gives. state: order, the pages as they are read; read, how many have been; scores, in
// halves, their bars in the order of the pages; page, the one whose score the buttons change; cut, whether the pages lie in two piles of three; query, the number
// of the one that gives the scores; old, the scores of the query before it, or null.
const EMPTY = [-Infinity, 0, 0, 0]; // m, y, z
const merge = (a, b) => {
  const m = Math.max(a[0], b[0]);
  const [wa, wb] = [a, b].map((state) => (state[0] === -Infinity ? 0 : Math.exp(state[0] - m)));
  return [m, ...[1, 2, 3].map((k) => wa * a[k] + wb * b[k])];
};
const mean = ([, y1, y2, z]) => [y1 / z, y2 / z];
// The states after each page of a pile.
const walk = (one, pages) => pages.reduce((all, j) => [...all, merge(all.at(-1), one(j))], [EMPTY]).slice(1);

export const compute = ({ values }, { order, read, scores, cut, old }) => {
  const by = (scores) => (j) => [scores[j] / 2, ...values[j], 1], one = by(scores);
  const seen = order.slice(0, read), at = cut ? order.length / 2 : order.length;
  const piles = [seen.slice(0, at), seen.slice(at)].map((pages) => walk(one, pages));
  const state = piles.map((pile) => pile.at(-1) ?? EMPTY).reduce(merge);
  const add = (pages) => pages.reduce(([y1, y2, z], j) => {
    const w = Math.exp(scores[j] / 2);
    return [y1 + w * values[j][0], y2 + w * values[j][1], z + w];
  }, [0, 0, 0]);
  const plain = add(seen);
  return {
    walks: piles.map((pile) => pile.map(mean)),
    piles: piles.map((pile) => pile.at(-1) ?? null),
    state: read ? state : null,
    plain: Number.isFinite(plain[2]) ? plain : null,
    sums: [seen.slice(0, at), seen.slice(at)].map(add), // the plain ones of each pile
    end: mean(walk(one, order).at(-1)),
    before: old ? mean(walk(by(old), order).at(-1)) : null,
  };
};

const [W, H, SIDE, TOP] = [480, 352, 250, 56];
const CARD = (k) => 34 + 34 * k;
const BARS = { x: 296, step: 32, top: TOP + 22, base: TOP + 122, most: 4 };
const BIG = 2000;
const to = ([x, y]) => [SIDE / 2 + 112 * x, TOP + SIDE / 2 - 112 * y];
const height = (s) => (s === BIG ? BARS.base - BARS.top + 14 : ((s + BARS.most) / (2 * BARS.most)) * (BARS.base - BARS.top - 6) + 4);
const show = (x, digits = 2) => (Number.isFinite(x) ? (Math.abs(x) < 0.5 * 10 ** -digits ? 0 : x).toFixed(digits).replace("1000.00", "1000") : "−∞").replace("-", "−");

const cross = ([ax, ay], [bx, by], [cx, cy]) => (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
const hull = (points) => {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const half = (list) =>
    list.reduce((kept, p) => {
      while (kept.length > 1 && cross(kept.at(-2), kept.at(-1), p) <= 0) kept = kept.slice(0, -1);
      return [...kept, p];
    }, []).slice(0, -1);
  return [...half(sorted), ...half([...sorted].reverse())];
};

export const draw = (data, state) => {
  const { values } = data, { order, read, scores, page, cut } = state, n = order.length;
  const { walks, piles, state: kept, plain, sums, end, before } = compute(data, state);
  const here = kept && mean(kept);
  const line = (points) => points.map((p, k) => `${k ? "L" : "M"}${to(p).map((x) => x.toFixed(1)).join(" ")}`).join("");
  const cards = order.map((j, k) => {
    const x = CARD(k) + (cut && k >= n / 2 ? 22 : 0), done = k < read;
    return `<rect x="${x - 14}" y="8" width="28" height="30" rx="3" fill="currentColor" fill-opacity="${done ? 0.22 : 0}" stroke="currentColor"/><text x="${x}" y="29" text-anchor="middle">${j + 1}</text>`;
  });
  const headAt = read ? CARD(read - 1) + (cut && read > n / 2 ? 22 : 0) : CARD(-1) + 10;
  const dots = values.map((v, j) => {
    const [x, y] = to(v), done = order.indexOf(j) < read;
    return `<circle cx="${x}" cy="${y}" r="5" fill="currentColor" fill-opacity="${done ? 1 : 0}" stroke="currentColor"/><text x="${x + (v[0] < 0 ? -9 : 9)}" y="${y + 5}" text-anchor="${v[0] < 0 ? "end" : "start"}">${j + 1}</text>`;
  });
  const bars = scores.map((s, j) => {
    const x = BARS.x + BARS.step * order.indexOf(j), h = height(s);
    return `<rect x="${x - 10}" y="${BARS.base - h}" width="20" height="${h}" fill="currentColor" fill-opacity="${order.indexOf(j) < read ? 0.45 : 0.12}" stroke="currentColor" stroke-width="${j === page ? 2.5 : 0.8}"/>${s === BIG ? `<path d="M${x - 13} ${BARS.base - h + 24}l26 -8" stroke="var(--pst-color-background, #fff)" stroke-width="5"/>` : ""}<text x="${x}" y="${BARS.base + 17}" text-anchor="middle">${j + 1}</text><text x="${x}" y="${BARS.base - h - 17}" text-anchor="middle" font-size="12">${s === BIG ? "1000" : show(s / 2).replace(/0$/, "")}</text>`;
  });
  const [cx, cy] = to(end), past = before && to(before).map((u) => u.toFixed(1));
  const stale = past ? `<circle cx="${past[0]}" cy="${past[1]}" r="8" fill="none" stroke="currentColor" stroke-width="1.8" stroke-dasharray="3 3"/><text x="${past[0]}" y="${+past[1] + 22}" text-anchor="middle" font-size="13">old</text>` : "";
  const both = cut && walks[1].length ? `<path d="${line([walks[0].at(-1), walks[1].at(-1)])}" stroke="currentColor" stroke-dasharray="3 4" fill="none"/>` : "";
  const steps = walks.map((w, k) => `<path d="${line(w)}" fill="none" class="t-orange" stroke="var(--t-orange)" stroke-width="2" stroke-dasharray="${k ? "7 4" : ""}"/>${w.map((p) => `<circle cx="${to(p)[0]}" cy="${to(p)[1]}" r="2.5" fill="var(--t-orange)"/>`).join("")}`);
  const rows = kept
    ? [["m", show(kept[0]), "none"], ["y", `${show(kept[1])}, ${show(kept[2])}`, plain ? `${plain[0].toFixed(1)}, ${plain[1].toFixed(1)}`.replaceAll("-", "−") : "∞"], ["z", show(kept[3]), plain ? plain[2].toFixed(1) : "∞"]]
    : [["m", "−∞", "none"], ["y", "0, 0", "0, 0"], ["z", "0", "0"]];
  const result = here ? `(${show(here[0])}, ${show(here[1])})` : "nothing yet";
  rows.push(["y/z", here ? result.slice(1, -1) : "", plain ? (here ? "the same" : "") : "∞/∞"]);
  // Of two piles the box shows the plain sums of each and of both or, where these overflow, both states and the merged one.
  const states = cut && (plain ? [...sums, plain] : [...piles, kept]).map((state) => (state ?? EMPTY).map((x) => show(x, plain ? 3 : 2)));
  const heads = states ? (plain ? ["pile 1", "+ pile 2", "= both"] : ["pile 1", "pile 2", "merged"]) : ["÷ eᵐ", "plain"], at = states ? [58, 117, 176] : [80, 168];
  const lines = states ? (plain ? ["", "", "z"] : ["m", "", "", "z"]).map((name, k) => [name, ...states.map((state) => state[k])]) : rows;
  const box = { x: 268, y: 214 };
  const table = lines.map((line, k) => line.map((text, c) => `<text x="${box.x + (c ? at[c - 1] : 8)}" y="${box.y + 41 + 19 * k}" font-size="13" ${c ? 'text-anchor="middle"' : 'font-style="italic"'}>${text}</text>`).join(""));
  // There y, two numbers, stands on two lines.
  const low = box.y + (plain ? 29 : 48);
  const pair = states ? `<text x="${box.x + 8}" y="${low + 22}" font-size="13" font-style="italic">y</text><path d="M${box.x + 25} ${low}h-5v34h5" fill="none" stroke="currentColor" stroke-opacity=".6"/>` : "";
  const said = !read ? (before ? "A new query, new scores: the cross has moved, and the old output (dashed ring) is of no use. Read the pages again." : "Nothing has been read.") : `${read} of ${n} pages read, page ${order[read - 1] + 1} last: y/z is at ${result}.`;
  const tail = (read === n ? " It has arrived at the cross." : "") + (read && !plain ? " The plain sums have overflowed." : "") + (cut && walks[1].length ? ` Each pile has ${plain ? "sums" : "a state"} of its own; ${plain ? "added" : "merged"}, they give the ring.` : "");
  return {
    svg: `<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H}" style="display:block;width:100%;height:auto" font-size="14" fill="currentColor" aria-label="Six pages in the order ${order.map((j) => j + 1).join(", ")}${cut ? ", in two piles" : ""}, their scores ${scores.map((s) => s / 2).join(", ")}, and a walk in the plane of their values. Page ${page + 1} is chosen. ${said}${tail}">
      ${cards.join("")}<path d="M${headAt - 8} 56L${headAt} 42L${headAt + 8} 56Z" fill="var(--t-blue)" class="t-blue"/>
      <path d="${line(hull(values))}Z" fill="currentColor" fill-opacity=".06" stroke="currentColor" stroke-opacity=".35"/>
      <path d="M${cx - 7} ${cy - 7}l14 14m0 -14l-14 14" stroke="currentColor" stroke-width="2"/>
      <path d="M${to([0, 0]).join(" ")}m-5 0h10m-5 -5v10" stroke="currentColor" fill="none"/>
      ${stale}${both}${steps.join("")}${dots.join("")}
      ${here ? `<circle cx="${to(here)[0]}" cy="${to(here)[1]}" r="8" fill="none" class="t-orange" stroke="var(--t-orange)" stroke-width="3"/>` : ""}
      <text x="${BARS.x - 14}" y="28">score of each page</text>${bars.join("")}
      <rect x="${box.x}" y="${box.y}" width="210" height="112" rx="4" fill="none" stroke="currentColor"/>
      <text x="${box.x + 8}" y="${box.y + 18}">${states ? "" : "state"}</text>${states && plain ? `<text x="${box.x + 8}" y="${box.y + 98}" font-size="13">plain sums, rounded</text>` : ""}${heads.map((head, k) => `<text x="${box.x + at[k]}" y="${box.y + 18}" text-anchor="middle">${head}</text>`).join("")}${table.join("")}${pair}
      <text x="4" y="${H - 24}" font-size="13">○ y/z so far, × where it ends</text><text x="4" y="${H - 6}" font-size="13">kept${cut ? "" : " for any number of pages"}: y (two numbers), z${cut ? " of each pile" : ""}, query (m later)</text></svg>`,
    see: said + tail,
    knobs: Object.fromEntries([["head", [headAt, 52]], ...scores.map((s, j) => [`score ${j}`, [BARS.x + BARS.step * order.indexOf(j), BARS.base - height(s)]])]),
  };
};

const set = (scores, j, s) => ({ scores: scores.map((old, k) => (k === j ? s : old)), page: j });
const clip = (s) => Math.max(-BARS.most, Math.min(BARS.most, Math.round(s)));
// What is pressed while nothing has been read is shown on all pages.
const shift = ({ order, read, scores, page }, by) => ({ ...set(scores, page, clip(Math.min(scores[page], BARS.most) + by)), read: read || order.length });

const drag = (data, { order, read, scores, cut }, name, x, y) => {
  if (name === "head") {
    const k = order.map((_, i) => CARD(i) + (cut && i >= order.length / 2 ? 22 : 0)).filter((at) => at - 17 < x).length;
    return { read: k };
  }
  const part = (BARS.base - y - 4) / (BARS.base - BARS.top - 6);
  return { ...set(scores, Number(name.slice(6)), clip((2 * part - 1) * BARS.most)), read: read || order.length };
};
const act = {
  query: ({ queries }, { query, scores }) => {
    const next = (query + 1) % queries.length;
    return { query: next, scores: queries[next], old: scores, read: 0 };
  },
  newest: ({ values }) => ({ order: values.map((_, j) => values.length - 1 - j), cut: false, read: values.length }),
  oldest: ({ values }) => ({ order: values.map((_, j) => j), cut: false, read: values.length }),
  shuffle: (data, { order }) => {
    const left = [...order];
    return { order: order.map(() => left.splice(Math.floor(Math.random() * left.length), 1)[0]), read: order.length };
  },
  cut: (data, { order, cut }) => ({ cut: !cut, read: order.length }),
  higher: (data, state) => shift(state, 1),
  lower: (data, state) => shift(state, -1),
  thousand: (data, { order, scores, page }) => ({ ...set(scores, page, BIG), read: order.length }),
};
// What a button or a hand sets, for the chapter's check.
export const pressed = (data, state) => (state.press ? act[state.press](data, state) : drag(data, state, ...state.drag));

export default stage({ draw, drag, act });
