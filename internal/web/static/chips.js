// Describes the filters in words. Each is a chip that removes the filter.
import { edit, href } from "./address.js";
import { el, years } from "./draw.js";

const words = {
	q: "title has", title: "title is", year: "in", year_from: "from", year_to: "until",
	cast: "with", cast_any: "with any of", cast_not: "without", genre: "", genre_any: "any of", genre_not: "not",
};
// q ends with the beginning of a word.
const say = (name, value) => `${words[name] ?? `${name}:`} ${value}${name === "q" ? "…" : ""}`.trim();

export function chips(params) {
	const all = described(params).map(([text, without]) => el("a.chip", { href: href(edit(params, without)) }, el("span.hidden", "Remove "), text, el("span", { "aria-hidden": "true" }, "×")));
	return all.length < 2 ? all : [...all, el("a.chip.bare", { href: "./" }, "Clear all")];
}

export const describe = (params) => described(params).map(([text]) => text).join(", ");

function described(params) {
	const from = params.get("year_from"), to = params.get("year_to");
	const done = new Set(["sort"]), all = [];
	for (const [name, value] of params) {
		if (done.has(name)) continue;
		if (from && to && name.startsWith("year_")) {
			done.add("year_from").add("year_to");
			all.push([years(from, to), (p) => { p.delete("year_from"); p.delete("year_to"); }]);
		} else if (name.endsWith("_any")) {
			done.add(name);
			all.push([say(name, params.getAll(name).join(", ")), (p) => p.delete(name)]);
		} else all.push([say(name, value), (p) => p.delete(name, value)]);
	}
	return all;
}
