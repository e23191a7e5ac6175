// Chapter 8: a paragraph with a formula arrives at time 0; a translator comes, and the formula gets ready, which is typeset and marked.
// state: translator, ready, the times of both in ms; guard, whether the paragraph is marked until the formula is ready.
const LETTERS = { a: "á", c: "ç", e: "ë", i: "ï", n: "ñ", o: "ô", r: "ř", s: "š", t: "ţ", u: "ü", y: "ý", z: "ž" };
const foreign = (text) => text.replace(/[a-z]{2,}/gi, (word) => word.replace(/[aceinorstuyz]/g, (c) => LETTERS[c]));
const [BEFORE, TEX, AFTER] = ["The root ", "\\(\\sqrt2\\)", " is irrational."];
const MOST = 40;

export const compute = (data, { translator, ready, guard }) => {
  const late = translator >= ready;
  const whole = guard || late;
  return { whole, text: [foreign(BEFORE), whole ? "√2" : foreign(TEX), foreign(AFTER)] };
};

const [W, H, LEFT, RIGHT, AXIS] = [480, 262, 26, 454, 96];
const HALO = 'stroke="var(--pst-color-background, white)" stroke-width="3" paint-order="stroke"'; // a name may lie on a flag
const at = (ms) => LEFT + ((RIGHT - LEFT) * ms) / MOST;
const flag = (ms, term, top, text, end) => {
  const x = at(ms);
  return `<path d="M${x} ${AXIS}V${top}" stroke="var(--t-${term})" class="t-${term}" stroke-width="2.5"/>
    <text x="${x + (end ? -15 : 15)}" y="${top + 14}" text-anchor="${end ? "end" : "start"}" fill="var(--t-${term})" ${HALO}>${text}</text>`;
};
// With a guard it comes again when that is lifted; drawn beside the flag of the formula, in the height between the names.
const again = (ms) => {
  const x = at(ms) + 5, left = ms > 34;
  return `<path d="M${x} ${AXIS}V34" stroke="var(--t-purple)" class="t-purple" stroke-width="2" stroke-dasharray="4 3"/>
    <text x="${x + (left ? -20 : 10)}" y="45" font-size="13" text-anchor="${left ? "end" : "start"}" fill="var(--t-purple)" ${HALO}>again</text>`;
};
const root = (x, y) => `<path d="M${x} ${y - 7}l4 -3 6 12 8 -22h15" fill="none" stroke="currentColor" stroke-width="1.6"/><text x="${x + 19}" y="${y + 2}">2</text>`;
const WIDE = 9.6; // a letter of the paragraphs
const LETTER = 'font-family="monospace" font-size="16"';

export const draw = (data, state) => {
  const { whole, text } = compute(data, state), { translator, ready, guard } = state;
  const words = (x, y, said, more = "") => `<text x="${x}" y="${y}" textLength="${WIDE * said.length}" xml:space="preserve" ${LETTER} ${more}>${said}</text>`;
  // In two texts, so that no text of the page has the raw delimiter in it.
  const source = (x, y, tex, more) => words(x, y, tex.slice(0, 1), more) + "\n" + words(x + WIDE, y, tex.slice(1), more);
  const line = (y, [a, formula, b], drawn) => {
    const x = 26 + WIDE * a.length, wide = drawn ? 34 : WIDE * formula.length;
    const shown = drawn ? `<rect x="${x - 4}" y="${y - 20}" width="36" height="28" rx="3" fill="none" stroke="var(--t-blue)" class="t-blue" stroke-width="1.6"/>${root(x, y)}` : source(x, y, formula, y > AXIS + 100 ? 'class="t-orange" fill="var(--t-orange)"' : "");
    return words(26, y, a.trim()) + shown + words(x + wide + WIDE, y, b.trim());
  };
  const twice = guard && translator < ready;
  const who = translator < ready ? `The translator comes ${ready - translator} ms before the script is done` : `The translator comes ${translator - ready ? `${translator - ready} ms after` : "as soon as"} the script has typeset and marked the formula`;
  const why = whole ? (twice ? "; it passes over the guarded paragraph and comes again when the guard is lifted: the formula stays whole." : ": the formula stays whole.") : ", takes the source for words, and ruins it.";
  return {
    svg: `<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H}" style="display:block;width:100%;height:auto" font-size="15" fill="currentColor" aria-label="A time line from 0 to ${MOST} ms with two flags, the translator at ${translator} ms and the script that typesets and marks the formula at ${ready} ms${guard ? ", with a guard until then" : ""}${twice ? "; then the translator comes again" : ""}. The paragraph ends as: ${text.join("").replaceAll("\\", "")}">
      ${guard ? `<rect x="${at(0)}" y="${AXIS - 6}" width="${at(ready) - at(0)}" height="12" fill="var(--t-green)" class="t-green" fill-opacity=".45"/>` : ""}
      <path d="M${LEFT} ${AXIS}H${RIGHT}" stroke="currentColor"/>
      ${[0, 10, 20, 30, 40].map((ms) => `<path d="M${at(ms)} ${AXIS}v5" stroke="currentColor"/><text x="${at(ms)}" y="${AXIS + 22}" text-anchor="middle" font-size="13">${ms}${ms === 40 ? " ms" : ""}</text>`).join("")}
      ${flag(translator, "purple", 14, "translator", translator > MOST / 2)}${flag(ready, "blue", 50, whole ? "typeset and marked" : "script, too late", ready > 28 || (translator >= ready && ready > 14))}${twice ? again(ready) : ""}${guard ? `<text x="${at(translator < 6 ? translator : 0) + 4}" y="${AXIS - 10}" font-size="13" fill="var(--t-green)" ${HALO}>guarded</text>` : ""}
      <text x="26" y="${AXIS + 54}" font-size="13" opacity=".8">the page sends${guard ? ", with a guard" : ""}</text>
      ${line(AXIS + 78, [BEFORE, TEX, AFTER])}
      <text x="26" y="${AXIS + 114}" font-size="13" opacity=".8">the reader gets${whole ? '<tspan fill="var(--t-blue)" class="t-blue"> (framed: marked)</tspan>' : ""}</text>
      <rect x="14" y="${AXIS + 121}" width="${W - 28}" height="36" rx="4" fill="none" stroke="currentColor" opacity=".5"/>
      ${line(AXIS + 145, text, whole)}</svg>`,
    see: who + why,
    knobs: { translator: [at(translator), 14], ready: [at(ready), 50] },
  };
};

export default stage({
  draw,
  drag: (data, state, name, x) => ({ [name]: Math.max(0, Math.min(MOST, Math.round(((x - LEFT) * MOST) / (RIGHT - LEFT)))) }),
});
