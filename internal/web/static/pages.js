// The pages of a movie and of a person: {title, parts, has}. has(change) tells whether a
// change concerns the page.
import { href, nextOf, personHref } from "./address.js";
import { ask, insist, now } from "./api.js";
import { card, genreLinks, personLink, row } from "./cards.js";
import { ago, el, movies, years } from "./draw.js";
import { chart } from "./histogram.js";

const maxNames = 10; // names in one query
const maxRelated = 8, maxRows = 12, maxFilms = 1000;
const nearYears = 5;

export const heading = (title, ...facts) => el("header.hero", el("h2", { tabindex: "-1" }, title), el("p.facts", ...facts));
const section = (title, ...content) => el("section", el("h3", title), ...content);

export async function movie(id, signal) {
	const url = `movies/${/^\d+$/.test(id) ? id : 0}`;
	const [found, past] = await Promise.all([
		insist(url, signal).catch((error) => { if (error.status !== 404) throw error; }),
		ask(`${url}/history`, signal).then((a) => a.body.history, () => null),
	]);
	const has = (change) => String(change.id) === id;
	if (!found) return { ...gone(id, past), has };
	const it = found.body, like = await related(it, signal);
	const cast = it.cast.length > 0 ? el("ul.people", ...it.cast.map((name) => el("li", personLink(name)))) : el("p.soft", "No cast is known.");
	const parts = [
		heading(it.title, el("a", { href: href({ year: it.year }) }, it.year), ...genreLinks(it.genres, {})),
		el("div.columns",
			el("div", section("Cast", cast), like.length > 0 ? section("Related", el("ol.list", ...like.map((m) => card(m, {})))) : null),
			el("div", history(past), section("Data", el("a", { href: url }, `JSON of movie ${id}`)))),
	];
	return { title: `${it.title} (${it.year})`, parts, has };
}

function gone(id, past) {
	const title = past?.length > 0 ? `Movie ${id} was deleted` : `There is no movie ${id}`;
	return { title, parts: [heading(title), past?.length > 0 ? history(past) : ""] };
}

const happened = { created: "Added", deleted: "Deleted", restored: "Restored", cast: "Cast changed", genres: "Genres changed" };

function history(past) {
	if (past === null) return section("History", el("p.soft", "The history is not available now."));
	return section("History", el("ol.history", ...past.map((e) => el("li",
		el("span", e.changed.map((c) => happened[c] ?? c).join(", ") || "Changed"),
		el("time.soft", { datetime: e.time, title: e.time }, `${ago(now() - Date.parse(e.time))} ago`)))));
}

/** Returns movies with the most shared people, then genres, then the nearest year. */
async function related(it, signal) {
	const same = (name, list) => list.slice(0, maxNames).map((v) => [name, v]);
	const queries = [];
	if (it.cast.length > 0) queries.push(same("cast_any", it.cast));
	if (it.genres.length > 0) queries.push([...same("genre", it.genres), ["year_from", Math.max(1, it.year - nearYears)], ["year_to", Math.min(9999, it.year + nearYears)]]);
	const answers = await Promise.all(queries.map((q) => ask(href([...q, ["limit", 100]], "movies"), signal).then((a) => a.body.movies, () => [])));
	const shared = (some, others) => some.filter((v) => others.includes(v)).length;
	const score = (m) => 4 * shared(m.cast, it.cast) + shared(m.genres, it.genres) - Math.min(1, Math.abs(m.year - it.year) / 50);
	const all = new Map(answers.flat().filter((m) => m.id !== it.id).map((m) => [m.id, m]));
	return [...all.values()].sort((a, b) => score(b) - score(a) || b.id - a.id).slice(0, maxRelated);
}

export async function person(name, signal) {
	const cast = { cast: name };
	const [films, counts, genres, people] = await Promise.all([
		filmography(cast, signal),
		insist(href(cast, "years"), signal),
		insist(href(cast, "genres"), signal),
		insist(href({ ...cast, limit: maxRows + 1 }, "people"), signal),
	]);
	const has = ({ id, movie }) => films.some((m) => m.id === id) || movie?.cast.includes(name);
	const { years: all } = counts.body;
	if (films.length === 0 || all.length === 0) return { ...nobody(name), has };
	const total = all.reduce((n, y) => n + y.movies, 0), first = all[0].year, last = all.at(-1).year;
	const parts = [
		heading(name, el("span", movies(total)), el("span", years(first, last)), el("a", { href: href(cast) }, "Filter these movies")),
		el("div.columns",
			section("Movies", el("div.dense", el("ol.list.films", ...films.map((m) => card({ ...m, cast: m.cast.filter((c) => c !== name) }, cast)))),
				total > films.length ? el("p.soft", `The latest ${movies(films.length)}.`) : null),
			el("div",
				section("Years", chart({ part: all }, first, last)),
				bars("Genres", genres.body.genres.map((g) => ({ name: g.genre, count: g.movies, to: href({ ...cast, genre: g.genre }), mark: true }))),
				bars("Often with", people.body.people.filter((p) => p.name !== name).map((p) => ({ name: p.name, count: p.movies, to: personHref(p.name) }))))),
	];
	return { title: name, parts, has };
}

async function filmography(cast, signal) {
	const all = [];
	for (let url = href({ ...cast, sort: "-year", limit: 100 }, "movies"); url !== null && all.length < maxFilms;) {
		const { body } = await insist(url, signal);
		all.push(...body.movies);
		url = nextOf(body);
	}
	return all;
}

function bars(title, rows) {
	return rows.length === 0 ? null : section(title, el("ul.rows", ...rows.slice(0, maxRows).map((r) => row({ ...r, most: rows[0].count }))));
}

function nobody(name) {
	const title = `No movie has “${name}” in its cast`;
	return { title, parts: [heading(title, el("a", { href: href({ q: name }) }, "Search for it"))] };
}
