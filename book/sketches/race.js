// Chapter 8: all pairs of times, the translator's and the engine's, as a rectangle; where the translator is first is lost.
// state, in steps of STEP ms: delay_a, how long it may take besides its least delay least_d, and engine_b, its longest
// time, both from one step on, so that 0 is a step.
const STEP = 10;
const times = ({ delay_a, engine_b, least_d }) => [delay_a + 1, engine_b + 1, least_d].map((steps) => STEP * steps);

export const compute = (data, state) => {
  const [a, b, d] = times(state);
  // Of the times d + x of the translator, x in [0, a], with the engine's in [0, b]: the mean of those that are later.
  const late = Math.max(0, b - d), over = Math.max(0, b - d - a);
  return { lost: (late ** 2 - over ** 2) / (2 * a * b) };
};

const [W, H, LEFT, BASE, SIDE] = [480, 282, 56, 232, 400]; // SIDE: of 800 ms to the right; 400 ms go up
const x = (ms) => LEFT + ms / 2, y = (ms) => BASE - ms / 2;

export const draw = (data, state) => {
  const { lost } = compute(data, state), [a, b, d] = times(state);
  const end = Math.min(b, d + a), percent = `${(100 * lost).toFixed(1)} %`;
  const corner = b > d ? `<path class="t-orange" fill="var(--t-orange)" fill-opacity=".75" d="M${x(d)} ${y(d)}L${x(end)} ${y(end)}V${y(b)}H${x(d)}Z"/>` : "";
  const ticks = [0, 200, 400, 600, 800].map((ms) => `<text x="${x(ms)}" y="${BASE + 24}" text-anchor="middle">${ms}</text>${ms === 0 || ms > 400 ? "" : `<text x="${LEFT - 8}" y="${y(ms) + 5}" text-anchor="end">${ms}</text>`}`);
  const told = lost ? `${percent} of the races are lost` : "no race is lost";
  return {
    svg: `<svg role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${W} ${H}" style="display:block;width:100%;height:auto" font-size="13.5" fill="currentColor" aria-label="A rectangle of times: the translator comes between ${d} and ${d + a} ms, the formula is ready between 0 and ${b} ms. Where the translator is first, ${percent} of the rectangle, the race is lost.">
      <path stroke="currentColor" fill="none" opacity=".5" d="M${LEFT} ${BASE - 200}V${BASE}H${LEFT + SIDE}"/>${ticks.join("")}
      <rect x="${x(d)}" y="${y(b)}" width="${a / 2}" height="${b / 2}" fill="currentColor" fill-opacity=".14" stroke="currentColor"/>${corner}
      <path stroke="currentColor" stroke-dasharray="4 3" d="M${x(0)} ${y(0)}L${x(400)} ${y(400)}"/>
      <text x="${x(402)}" y="${y(400) + 12}">both at once</text>
      <text x="0" y="14"><tspan font-style="italic">E</tspan>: formula ready after, ms</text>
      <text x="${LEFT + SIDE}" y="${H - 8}" text-anchor="end"><tspan font-style="italic">D</tspan>: translator comes after, ms</text></svg>`,
    see: `The translator takes ${d} to ${d + a} ms, the engine up to ${b} ms: ${told}.`,
    knobs: { corner: [x(d + a), y(b)], least_d: [x(d), BASE] },
  };
};

const steps = (ms, least, most) => Math.max(least, Math.min(most, Math.round(ms / STEP)));
export default stage({
  draw,
  drag: (data, state, name, right, up) => {
    const ms = (right - LEFT) * 2;
    if (name === "least_d") return { least_d: steps(ms, 0, 20) };
    return { delay_a: steps(ms - STEP * (state.least_d + 1), 0, 59), engine_b: steps((BASE - up) * 2 - STEP, 0, 39) };
  },
});
