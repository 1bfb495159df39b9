// The number of movies per year: those that match in front of all.
import { el, movies, number, svg, years } from "./draw.js";

const widest = 200; // years

/** Returns the years of the first and the last bar. A wrong year must not make all bars thin: then 0.5 % of the movies at each end lie beyond. */
export function ends(counts) {
	const most = counts.at(-1).year - counts[0].year < widest ? 0 : counts.reduce((n, c) => n + c.movies, 0) / 200;
	return [counts, [...counts].reverse()].map((list) => {
		let n = 0;
		return list.find((c) => (n += c.movies) > most).year;
	});
}

/** Draws counts, later layers in front. Heights are square roots, so that small counts stay visible. A bar at an end includes the years beyond. */
export function chart(layers, first, last) {
	const drawn = Object.entries(layers).map(([name, counts]) => {
		const bars = new Map();
		for (const c of counts) {
			const year = Math.min(last, Math.max(first, c.year));
			bars.set(year, (bars.get(year) ?? 0) + c.movies);
		}
		return [name, [...bars]];
	});
	const most = Math.max(...drawn.flatMap(([, bars]) => bars.map((b) => b[1])));
	const bar = ([year, movies]) => `M${year - first} 100v${-Math.max(3, Math.sqrt(movies / most) * 100).toFixed(1)}h.88V100z`;
	const paths = drawn.map(([name, bars]) => svg("path", { class: name, d: bars.map(bar).join("") }));
	return svg("svg.bars", { viewBox: `0 0 ${last - first + 1} 100`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...paths);
}

/** Returns draw(whole, part, from, to). choose receives a new range [from, to], or null for all years. */
export function histogram(root, choose) {
	const picture = el("div.picture"), words = el("p.soft");
	const fields = ["From year", "To year"].map((label) => el("input", { type: "number", "aria-label": label }));
	root.replaceChildren(picture, el("div.range", fields[0], "–", fields[1]), words);

	let whole = [], part = [], first, last, range, taken;
	let low, high; // the years of the bars at the ends
	let start = null; // the year where a drag starts

	const inside = (c) => c.year >= range[0] && c.year <= range[1];
	const clamp = (year) => Math.min(last, Math.max(first, year));

	function set(from, to, typed) {
		range = [Math.min(from, to), Math.max(from, to)];
		fields.forEach((f, i) => { if (f !== typed) f.value = range[i]; });
		picture.replaceChildren(chart({ whole, "part out": part.filter((c) => !inside(c)), part: part.filter(inside) }, low, high));
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
		return Math.min(high, Math.max(low, low + Math.floor(((event.clientX - box.left) / box.width) * (high - low + 1))));
	};
	function dragged(to) {
		const from = Math.min(start, to), until = Math.max(start, to);
		return [from === low ? first : from, until === high ? last : until];
	}

	picture.addEventListener("pointerdown", (event) => {
		if (event.button !== 0 || whole.length === 0) return;
		picture.setPointerCapture(event.pointerId);
		start = yearAt(event);
	});
	picture.addEventListener("pointermove", (event) => start !== null && set(...dragged(yearAt(event))));
	picture.addEventListener("pointerup", (event) => {
		if (start === null) return;
		take(...dragged(yearAt(event)));
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
		[low, high] = ends(whole);
		for (const f of fields) [f.min, f.max] = [first, last];
		const chosen = [clamp(from ?? first), clamp(to ?? last)];
		const typed = range && fields.find((f, i) => f.matches(":focus") && f.value !== `${range[i]}`);
		taken = chosen[0] > chosen[1] ? [first, last] : chosen;
		set(...taken, typed);
	};
}
