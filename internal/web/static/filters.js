// The filters beside the list, with numbers of movies.
import { edit, filters, href } from "./address.js";
import { insist, pause, turns } from "./api.js";
import { row } from "./cards.js";
import { $, el } from "./draw.js";
import { histogram } from "./histogram.js";

const maxRows = 12;
const ends = ["year_from", "year_to"];
const tags = { "": "✓", _any: "any", _not: "not" };
const choices = { "": "all", _any: "any", _not: "none" };

function section(group, title) {
	const names = title.toLowerCase();
	const radio = (way) => el("label", el("input", { type: "radio", name: `${group}-way`, value: way, checked: way === "" }), choices[way]);
	return el("section", el("h2", title),
		el("fieldset", { "aria-label": `Of the chosen ${names} a movie has` }, ...Object.keys(choices).map(radio)),
		el("ul.rows", { id: group }),
		el("details", { hidden: true }, el("summary", `More ${names}`), el("ul.rows", { id: `${group}-more` })));
}

/** go(address, options) shows a changed list; all(n) receives the number of all movies. */
export function panel({ go, all }) {
	const turn = turns();
	let params;
	let asked = null; // params of the counts that are shown or loading, as text
	let whole = null; // movies per year of the whole catalogue
	let off = false; // the API has no index
	const counts = { genre: [], cast: [] };

	const leave = (change, options) => go(href(edit(params, change)), options);

	const drawYears = histogram($("years"), (range) => leave((p) => {
		for (const name of ["year", ...ends]) p.delete(name);
		range?.forEach((year, i) => p.append(ends[i], year));
	}, { replace: document.activeElement.type === "number" && /year_/.test(params) })); // one step of the history, not one for each key

	function showYears(part) {
		drawYears(whole, part, ...ends.map((name) => Number(params.get("year") ?? params.get(name)) || null));
	}

	$("panel").append(section("genre", "Genres"), section("cast", "People"));

	const wayOf = (group) => document.querySelector(`[name=${group}-way]:checked`);
	const way = (group) => wayOf(group).value;

	function drawGroup(group) {
		const known = counts[group], most = Math.max(1, ...known.map((c) => c.count));
		const chosen = Object.keys(tags).flatMap((w) => params.getAll(group + w).map((name) => ({
			name, tag: tags[w], count: known.find((c) => c.name === name)?.count, to: href(edit(params, (p) => p.delete(group + w, name))),
		})));
		const others = known.filter((k) => !chosen.some((c) => c.name === k.name))
			.map((k) => ({ ...k, to: href(edit(params, (p) => p.append(group + way(group), k.name))) }));
		const rows = [...chosen, ...others].map((r) => row({ ...r, most, mark: group === "genre" }));
		const { name } = document.activeElement.dataset;
		$(group).replaceChildren(...rows.slice(0, maxRows), rows.length === 0 ? el("li.soft", "None") : "");
		$(`${group}-more`).replaceChildren(...rows.slice(maxRows, 100));
		$(`${group}-more`).parentNode.hidden = rows.length <= maxRows;
		if (name && document.activeElement === document.body) {
			(rows.map((r) => r.firstChild).find((a) => a.dataset.name === name && a.checkVisibility()) ?? wayOf(group)).focus();
		}
	}

	/** Names chosen as "all" become "any", and the reverse. */
	function switchWay(group) {
		const to = way(group), from = to === "" ? "_any" : "";
		if (to === "_not" || !params.has(group + from)) return drawGroup(group);
		leave((p) => {
			for (const name of p.getAll(group + from)) p.append(group + to, name);
			p.delete(group + from);
		});
	}

	for (const group of ["genre", "cast"]) $(group).parentNode.querySelector("fieldset").addEventListener("change", () => switchWay(group));

	/** "any" names are counted without the "any" filter: a count is what the name would add. */
	return async function show(now, again = false) {
		if (off || (!again && now.toString() === asked)) return;
		params = now;
		asked = now.toString();
		const signal = turn();
		for (const group of ["genre", "cast"]) {
			const any = params.has(`${group}_any`);
			if (way(group) !== "_not" && (any || params.has(group))) document.querySelector(`[name=${group}-way][value="${any ? "_any" : ""}"]`).checked = true;
			if (!again) drawGroup(group);
		}
		const others = filters(params, "year", ...ends);
		try {
			const [genres, people, part, every] = await Promise.all([
				insist(href(filters(params, "genre_any"), "genres"), signal),
				insist(href([...filters(params, "cast_any"), ["limit", 100]], "people"), signal),
				insist(href(others, "years"), signal),
				(again || whole === null) && others.size > 0 ? insist("years", signal) : null,
			]);
			while ($("panel").matches(":active")) await pause(50); // a click would be lost
			if (signal.aborted) return;
			if (every !== null || others.size === 0) whole = (every ?? part).body.years;
			counts.genre = genres.body.genres.map((g) => ({ name: g.genre, count: g.movies }));
			counts.cast = people.body.people.map((p) => ({ name: p.name, count: p.movies }));
			all(whole.reduce((sum, y) => sum + y.movies, 0));
			showYears(part.body.years);
			drawGroup("genre");
			drawGroup("cast");
		} catch (error) {
			if (signal.aborted) return;
			off = error.status === 501;
			if (off) $("panel").replaceChildren("This API runs without an index, which the counts need.");
		}
		$("panel").classList.toggle("ready", off || whole !== null);
	};
}
