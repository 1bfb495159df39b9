// The number of movies per year: those that match in front of all.
import { el, movies, number, svg, years } from "./draw.js";

/** Draws counts, later layers in front. Heights are square roots, so that small counts stay visible. */
export function chart(layers, first, last) {
	const most = Math.max(...Object.values(layers).flat().map((c) => c.movies));
	const bar = (c) => `M${c.year - first} 100v${-Math.max(3, Math.sqrt(c.movies / most) * 100).toFixed(1)}h.88V100z`;
	const paths = Object.entries(layers).map(([name, counts]) => svg("path", { class: name, d: counts.map(bar).join("") }));
	return svg("svg.bars", { viewBox: `0 0 ${last - first + 1} 100`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...paths);
}

/** Returns draw(whole, part, from, to). choose receives a new range [from, to], or null for all years. */
export function histogram(root, choose) {
	const picture = el("div.picture"), words = el("p.soft");
	const fields = ["From year", "To year"].map((label) => el("input", { type: "number", "aria-label": label }));
	root.replaceChildren(picture, el("div.range", fields[0], "–", fields[1]), words);

	let whole = [], part = [], first, last, range, taken;
	let start = null; // the year where a drag starts

	const inside = (c) => c.year >= range[0] && c.year <= range[1];
	const clamp = (year) => Math.min(last, Math.max(first, year));

	function set(from, to, typed) {
		range = [Math.min(from, to), Math.max(from, to)];
		fields.forEach((f, i) => { if (f !== typed) f.value = range[i]; });
		picture.replaceChildren(chart({ whole, "part out": part.filter((c) => !inside(c)), part: part.filter(inside) }, first, last));
		const [some, all] = [part, whole].map((counts) => counts.filter(inside).reduce((n, c) => n + c.movies, 0));
		words.textContent = `${years(...range)}: ${some === all ? movies(all) : `${number(some)} of ${movies(all)}`}`;
	}

	function take(from, to) {
		if (whole.length === 0) return;
		set(from, to);
		choose(range[0] > first || range[1] < last ? range : null);
	}

	const yearAt = (event) => {
		const box = picture.getBoundingClientRect();
		return clamp(first + Math.floor(((event.clientX - box.left) / box.width) * (last - first + 1)));
	};

	picture.addEventListener("pointerdown", (event) => {
		if (event.button !== 0 || whole.length === 0) return;
		picture.setPointerCapture(event.pointerId);
		start = yearAt(event);
	});
	picture.addEventListener("pointermove", (event) => start !== null && set(start, yearAt(event)));
	picture.addEventListener("pointerup", (event) => {
		if (start === null) return;
		take(start, yearAt(event));
		start = null;
	});
	picture.addEventListener("pointercancel", () => {
		start = null;
		set(...taken);
	});
	for (const field of fields) {
		field.addEventListener("change", () => take(...fields.map((f, i) => clamp(parseInt(f.value) || [first, last][i]))));
	}

	return function draw(all, some, from, to) {
		[whole, part] = [all, some];
		if (start !== null || whole.length === 0) return;
		[first, last] = [whole[0].year, whole.at(-1).year];
		for (const f of fields) [f.min, f.max] = [first, last];
		const ends = [clamp(from ?? first), clamp(to ?? last)];
		const typed = range && fields.find((f, i) => f.matches(":focus") && f.value !== `${range[i]}`);
		taken = ends[0] > ends[1] ? [first, last] : ends;
		set(...taken, typed);
	};
}
