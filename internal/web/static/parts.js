// Pieces of the operators' page and of the API reference.
import { ago, el } from "./draw.js";

const namespace = "http://www.w3.org/2000/svg";

function svg(name, attributes = {}, ...children) {
  const e = document.createElementNS(namespace, name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

let commands = 0;

/** A command line with a button that copies it. */
export function command(line) {
  const code = el("code", { id: `command-${++commands}` }, line);
  const button = el("button", { type: "button", class: "quiet", "aria-describedby": code.id }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch { // not allowed, or not over HTTPS: ready for Ctrl-C
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  return el("div", { class: "command" }, code, button);
}

/** A column of numbers: its head ends with #. One of texts that may be long: with *. */
export function table(heads, rows) {
  const kinds = heads.map((h) => ({ "#": "n", "*": "t" })[h.at(-1)] ?? null);
  const cells = (name, row) => row.map((c, i) => el(name, { class: kinds[i], scope: name === "th" ? "col" : null }, c));
  return el("table", {},
    el("thead", {}, el("tr", {}, ...cells("th", heads.map((h) => h.replace(/[#*]$/, ""))))),
    el("tbody", {}, ...rows.map((r) => el("tr", {}, ...cells("td", r)))));
}

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const number = (n) => grouped.format(n >= 100 ? Math.round(n) : n);
export const duration = (seconds) => ago(seconds * 1000);
/** Says how long something took. */
export const took = (seconds) => (seconds < 1 ? `${Math.ceil(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`);
export const clock = (time) => new Date(time).toLocaleTimeString("en-GB");

// The top of an axis, so that its half is a round figure, too.
const times = [2, 10, 30, 60, 120, 600, 1800, 3600, 7200, 21600, 43200];
const round = (most) => {
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 4, 10].map((f) => f * power).find((v) => v >= most);
};
const top = (most, timed) => (timed ? times.find((v) => v >= most) ?? 172800 * round(Math.max(1, most / 172800)) : round(Math.max(2, most)));

/**
 * Draws points [time in ms, value] as a line with axes. The value is a number with a
 * unit behind it, or seconds when timed.
 */
export function chart(figure, name, unit, points, timed = false) {
  const full = (v) => (timed ? duration(v) : number(v) + unit);
  const last = points.at(-1), now = last ? full(last[1]) : "–";
  figure.replaceChildren(el("figcaption", {}, name, el("b", {}, now)));
  if (points.length < 2) {
    figure.append(el("p", { class: "soft" }, "Drawn as soon as there are two values."));
    return;
  }
  const width = Math.max(240, figure.clientWidth - 38), height = 152;
  const left = 50, right = width - 8, low = height - 24, high = 12;
  const most = Math.max(...points.map((p) => p[1])), end = top(most, timed);
  const from = points[0][0], span = Math.max(1, last[0] - from);
  const x = (t) => (left + ((t - from) / span) * (right - left)).toFixed(1);
  const y = (v) => (low - (v / end) * (low - high)).toFixed(1);
  const line = points.map(([t, v]) => `${x(t)},${y(v)}`).join(" ");
  const ticks = [0, end / 2, end].flatMap((v) => [
    svg("line", { class: "grid", x1: left, x2: right, y1: y(v), y2: y(v) }),
    svg("text", { x: left - 8, y: Number(y(v)) + 4, "text-anchor": "end" }, timed || v < 10000 ? full(v).replace(unit, "") : compact.format(v)),
  ]);
  const ends = [[from, "start", left], [last[0], "end", right]].map(([t, anchor, at]) => svg("text", { x: at, y: height - 4, "text-anchor": anchor }, clock(t)));
  const words = `From ${clock(from)} to ${clock(last[0])}: ${now} now, at most ${full(most)}.`;
  const drawn = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${name}. ${words}` },
    svg("title", {}, words), ...ticks, ...ends,
    svg("polygon", { points: `${left},${low} ${line} ${right},${low}` }), svg("polyline", { points: line }),
    svg("circle", { cx: x(last[0]), cy: y(last[1]), r: 3.5 }));
  figure.append(drawn);
}
