// The tables and charts of the operators' page.
import { ago, el, number, svg } from "./draw.js";

/** A heading that ends with # is of numbers, one with * of long texts. */
export function table(heads, rows) {
	const kinds = heads.map((h) => ({ "#": ".n", "*": ".long" })[h.at(-1)] ?? "");
	const cells = (name, row) => row.map((c, i) => el(name + kinds[i], c));
	return el("table",
		el("thead", el("tr", ...cells("th", heads.map((h) => h.replace(/[#*]$/, ""))))),
		el("tbody", ...rows.map((r) => el("tr", ...cells("td", r)))));
}

export const duration = (seconds) => ago(seconds * 1000);
export const clock = (time) => new Date(time).toLocaleTimeString("en-GB");

/** Returns the top of an axis: round, as its half. */
function top(most, timed) {
	const unit = (timed && [86400, 3600, 60].find((u) => most >= u)) || 1;
	const power = unit * 10 ** Math.floor(Math.log10(Math.max(2, most / unit)));
	return [1, 2, 4, 6, 10].map((f) => f * power).find((v) => v >= Math.max(2, most));
}

/** Draws points [time in ms, value]. Values have the unit; when timed they are seconds. */
export function chart(figure, name, unit, points, timed = false) {
	const full = (v) => (timed ? duration(v) : number(v) + unit);
	const [from] = points[0], [to, value] = points.at(-1);
	const width = Math.max(240, figure.clientWidth - 38), height = 152;
	const left = 50, right = width - 8, low = height - 24, high = 12;
	const most = Math.max(...points.map((p) => p[1])), end = top(most, timed);
	const x = (t) => left + ((t - from) / Math.max(1, to - from)) * (right - left);
	const y = (v) => low - (v / end) * (low - high);
	const line = points.map(([t, v]) => `${x(t).toFixed(1)},${y(v).toFixed(1)}`).join(" ");
	const label = (x, y, anchor, text) => svg("text", { x, y, "text-anchor": anchor }, text);
	const words = `${name}, from ${clock(from)} to ${clock(to)}: ${full(value)} now, at most ${full(most)}.`;
	figure.replaceChildren(el("figcaption", name, el("b", full(value))), svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words },
		...[0, end / 2, end].flatMap((v) => [svg("path", { d: `M${left} ${y(v)}H${right}` }), label(left - 8, y(v) + 4, "end", timed ? duration(v) : number(v))]),
		label(left, height - 4, "start", clock(from)), label(right, height - 4, "end", clock(to)),
		svg("polyline", { points: line })));
}
