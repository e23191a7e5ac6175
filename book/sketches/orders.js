// Chapter 8: the five steps of a recipe in an order that a hand chooses, what a visit after each of them does, and what
// becomes of the block in all 32 schedules. data: orders, all 120. state: order, the number of one; page, 1 if the engine
// must have the block in the page.
const take = (step, [i, t, m, g]) => [i || step === "insert", t || step === "typeset", m || (t && step === "mark"), (g || step === "guard") && step !== "release"];
const visit = ([i, t, m, g]) => [i && !g, i && !g && !(t && m)];

// A schedule has a visit or none after each of the five steps, and one more at the end. Of the 32, those that avoid all
// steps after which a visit garbles leave the formula whole, and those that avoid all after which it translates leave the
// prose as it was.
export const compute = ({ orders }, { order, page }) => {
  const steps = orders[order];
  let bits = [false, false, false, false];
  const visits = steps.map((step) => visit((bits = take(step, bits))).map(Number));
  const [untouched, harmless] = [0, 1].map((k) => (visits[4][k] ? 0 : 2 ** visits.filter((one) => !one[k]).length));
  const early = page && steps.indexOf("typeset") < steps.indexOf("insert");
  return { visits, early: Number(early), whole: early ? 0 : harmless, translated: 32 - untouched };
};

const [W, H, LEFT, SLOT, TOP] = [480, 214, 6, 94, 10];
const middle = (k) => LEFT + SLOT * (k + 0.5);
const COLOUR = { guard: "green", release: "green", typeset: "blue", mark: "blue" };

export const draw = (data, state) => {
  const { visits, early, whole, translated } = compute(data, state), steps = data.orders[state.order];
  const spoilt = (k) => early && steps[k] === "typeset"; // whatever a visit does
  const said = visits.map(([reached, garbled], k) => (spoilt(k) ? "T too early" : garbled ? "garbles" : reached ? "translates" : steps.slice(0, k + 1).includes("insert") ? "passes over" : "finds nothing"));
  const boxes = steps.map((step, k) => {
    const paint = COLOUR[step] ? `var(--t-${COLOUR[step]})` : "currentColor", wrong = said[k] === "garbles" || spoilt(k);
    return `<g${COLOUR[step] ? ` class="t-${COLOUR[step]}"` : ""}><rect x="${middle(k) - 41}" y="${TOP}" width="82" height="34" rx="4" fill="${paint}" fill-opacity=".14" stroke="${paint}" stroke-width="1.6"/></g>
      <text x="${middle(k)}" y="${TOP + 22}" text-anchor="middle"><tspan font-weight="bold">${step[0].toUpperCase()}</tspan> ${step}</text>
      <rect x="${middle(k) - 44}" y="${TOP + 92}" width="88" height="30" rx="3" ${wrong ? 'class="t-orange" fill="var(--t-orange)" fill-opacity=".3" stroke="var(--t-orange)" stroke-width="2"' : 'fill="currentColor" fill-opacity=".08"'}/>
      <text x="${middle(k)}" y="${TOP + 112}" text-anchor="middle" font-size="13">${said[k]}</text>`;
  });
  const good = whole === 32 && translated === 32;
  const told = [early ? "Typeset off the page, so never whole" : whole === 32 ? "Always whole" : `Garbled in ${32 - whole} of 32 schedules`, translated === 32 ? "prose always translated" : `prose untranslated in ${32 - translated} of 32`];
  const result = `${good ? "Good" : "Not good"}. ${told.join(", ")}.`;
  return {
    svg: `<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H}" style="display:block;width:100%;height:auto" font-size="14" fill="currentColor" aria-label="Five steps in the order ${steps.join(", ")}. A visit after each: ${said.join(", ")}. ${result}">
      ${boxes.join("")}<text x="${LEFT + 3}" y="${TOP + 86}" font-size="13" opacity=".85">what a visit after the step does</text>
      <text x="${W - 9}" y="${TOP + 86}" text-anchor="end" font-size="13">${state.page ? "engine needs the page" : "engine typesets off the page too"}</text>
      <rect x="${LEFT + 3}" y="${H - 68}" width="${W - 18}" height="56" rx="4" fill="none" ${good ? 'class="t-blue" stroke="var(--t-blue)"' : 'class="t-orange" stroke="var(--t-orange)"'} stroke-width="2.5"/>
      <text x="${LEFT + 14}" y="${H - 46}"><tspan font-weight="bold">${good ? "Good:" : "Not good:"}</tspan> ${told[0][0].toLowerCase()}${told[0].slice(1)},</text><text x="${LEFT + 14}" y="${H - 24}">${told[1]}</text></svg>`,
    see: `${steps.map((step) => step[0].toUpperCase()).join(" ")}. ${result}`,
    knobs: Object.fromEntries(steps.map((step, k) => [step, [middle(k), TOP + 54]])),
  };
};

export default stage({
  draw,
  drag(data, state, name, x) {
    const rest = data.orders[state.order].filter((step) => step !== name);
    const to = Math.max(0, Math.min(4, Math.round((x - LEFT) / SLOT - 0.5)));
    const moved = [...rest.slice(0, to), name, ...rest.slice(to)].join();
    return { order: data.orders.findIndex((steps) => steps.join() === moved) };
  },
});
