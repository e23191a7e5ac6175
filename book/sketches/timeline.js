// Chapter 8: the tasks of a recipe on a time line, and the moments at which a translator can come.
// data: recipes, [{ name, parts: [[step, from, to, gap], …] }, …], where gap says what may run after the step: "none", or
// "task", timers. state: recipe; wants_to_come, when the translator would like to.
const MOST = 100;
const take = (step, [i, t, m, g]) => [i || step === "insert", t || step === "typeset", m || (t && step === "mark"), (g || step === "guard") && step !== "release"];
const safe = ([i, t, m, g]) => !i || g || (t && m);

export const compute = ({ recipes }, { recipe, wants_to_come: wish }) => {
  let bits = [false, false, false, false];
  const states = recipes[recipe].parts.map(([step, , end, gap]) => ({ end, gap, bits: (bits = take(step, bits)) }));
  const open = ({ gap }) => gap === "task";
  // In a pause, or before all, it comes when it wants; else when the running script gives way.
  const { parts } = recipes[recipe];
  const next = parts.findIndex(([, , end]) => end > wish);
  const idle = next === -1 || (wish <= parts[next][1] && (next === 0 || open(states[next - 1])));
  const found = idle ? next - 1 : states.findIndex((state, k) => k >= next && open(state));
  const after = idle && next === -1 ? states.length - 1 : found;
  const comes = idle ? wish : states[after].end;
  const here = after < 0 ? [false, false, false, false] : states[after].bits;
  return { comes, after, bits: here.map(Number), whole: Number(safe(here)) };
};

const [W, H, LEFT, RIGHT, TOP] = [480, 268, 14, 466, 92];
const at = (time) => LEFT + ((RIGHT - LEFT) * time) / MOST;
const NAMES = ["in the page", "typeset", "marked", "guarded"];

export const draw = (data, state) => {
  const { comes, bits, whole } = compute(data, state), { recipe, wants_to_come: wish } = state;
  const { name, parts } = data.recipes[recipe];
  let now = [false, false, false, false];
  const states = parts.map(([step]) => (now = take(step, now)));
  const zones = parts.map(([, from], k) => {
    if (safe(states[k])) return "";
    // At both ends the translator finds what is safe, and there the triangle, 14 wide, does not stand on it.
    const start = at(from) + (k && !safe(states[k - 1]) ? 0 : 7);
    const end = at(parts[k + 1]?.[2] ?? MOST) - (states[k + 1] && safe(states[k + 1]) ? 7 : 0);
    return `<rect x="${start}" y="${TOP + 35}" width="${end - start}" height="9" class="t-orange" fill="var(--t-orange)"/>`;
  });
  const boxes = parts.map(([step, from, to]) => {
    const middle = (at(from) + at(to)) / 2, wide = to - from > 14;
    return `<rect x="${at(from)}" y="${TOP}" width="${at(to) - at(from)}" height="30" fill="currentColor" fill-opacity=".16" stroke="currentColor"/>
      ${wide ? `<text x="${middle}" y="${TOP + 20}" text-anchor="middle">${step}</text>` : `<text x="${middle}" y="${TOP - 8}" text-anchor="start" font-size="13" transform="rotate(-38 ${middle} ${TOP - 8})">${step}</text>`}`;
  });
  const ticks = [["start", 0], ["middle", 50], ["end", MOST]].map(([anchor, time]) => `<path d="M${at(time)} ${TOP + 54}v8" stroke="currentColor" opacity=".6"/><text x="${at(time)}" y="${TOP + 73}" text-anchor="${anchor}" font-size="12" opacity=".8">${time}${time ? " ms" : ""}</text>`);
  const lamps = NAMES.map((label, k) => `<circle cx="${34 + 114 * k}" cy="${H - 62}" r="8" fill="currentColor" fill-opacity="${bits[k] ? 1 : 0}" stroke="currentColor"/><text x="${48 + 114 * k}" y="${H - 57}" font-size="14">${label}</text>`);
  const result = !bits[0] ? "It finds nothing yet; comes again: whole" : whole ? (bits[3] ? "It passes over the guard; comes again: whole" : "It passes over the marked formula: whole") : bits[1] ? "The formula is not marked: garbled" : "It takes the source for words: garbled";
  const when = comes - wish > 0.5 ? `wants to come at ${wish} ms and has to wait until ${Math.round(comes)} ms, when the script gives way` : `comes at ${wish} ms, when no script runs`;
  const marker = (x, y) => `<path d="M${x} ${y}l-7 -12h14z" class="t-purple" fill="var(--t-purple)"/>`;
  return {
    svg: `<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H}" style="display:block;width:100%;height:auto" font-size="15" fill="currentColor" aria-label="Recipe ${name}: ${parts.map(([step]) => step).join(", ")} on a time line. The translator wants to come at ${wish} ms and comes at ${Math.round(comes)} ms. Then the block is ${NAMES.filter((_, k) => bits[k]).join(", ") || "not there yet"}. ${result}.">
      <text x="${LEFT}" y="18" font-weight="bold">${name}</text>
      ${boxes.join("")}${zones.join("")}
      <path d="M${LEFT} ${TOP + 58}H${RIGHT}" stroke="currentColor" opacity=".6"/>${ticks.join("")}
      <path d="M${at(wish)} ${TOP + 58}H${at(comes)}" class="t-purple" stroke="var(--t-purple)" stroke-width="2.5" stroke-dasharray="5 3"/>
      <circle cx="${at(wish)}" cy="${TOP + 58}" r="5" class="t-purple" fill="none" stroke="var(--t-purple)" stroke-width="2.5"/>${marker(at(comes), TOP + 58)}
      <path d="M${at(comes)} ${TOP + 46}V${TOP - 2}" class="t-purple" stroke="var(--t-purple)" stroke-width="2"/>
      <text x="${LEFT}" y="${H - 84}" font-size="13" opacity=".85">what the translator finds</text>${lamps.join("")}
      <rect x="${LEFT}" y="${H - 42}" width="${RIGHT - LEFT}" height="32" rx="4" fill="none" ${whole ? 'stroke="currentColor"' : 'class="t-orange" stroke="var(--t-orange)" stroke-width="2.5"'}/><text x="${LEFT + 10}" y="${H - 21}">${result}</text></svg>`,
    see: `The translator ${when}: ${result.split(": ")[1]}.`,
    knobs: { translator: [at(wish), TOP + 58] },
  };
};

export default stage({
  draw,
  drag: (data, state, name, x) => ({ wants_to_come: Math.max(0, Math.min(MOST, Math.round(((x - LEFT) * MOST) / (RIGHT - LEFT)))) }),
});
