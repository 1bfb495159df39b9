// Movies, people and genres.
import { movieHref, personHref, withName } from "./address.js";
import { el, movies, number } from "./draw.js";

const maxNames = 4;

function dot(genre) {
	let hash = 5;
	for (const c of genre) hash = (hash * 33 + c.codePointAt(0)) % 9973;
	const mark = el("span.mark");
	mark.style.setProperty("--hue", (hash % 12) * 30);
	return mark;
}

export const genreLinks = (genres, filters) => genres.map((g) => el("a.genre", { href: withName(filters, "genre", g) }, dot(g), el("bdi", g)));
export const personLink = (name) => el("a", { href: personHref(name) }, el("bdi", name));

export function card(movie, filters) {
	const more = movie.cast.length - maxNames;
	return el("li.card", { "data-id": movie.id },
		el("h3", el("a", { href: movieHref(movie.id) }, movie.title)),
		el("span.year", movie.year),
		el("p.genres", ...genreLinks(movie.genres.slice(0, 12), filters)),
		el("p.cast", ...movie.cast.slice(0, maxNames).map(personLink), more > 0 ? el("span", `+${more}`) : null));
}

export function flash(item) {
	item.classList.add("changed");
	setTimeout(() => item.classList.remove("changed"), 4000);
}

/** A link with a note, or a number of movies and a bar that shows its share of most. */
export function row({ name, count, note = count && number(count), most, to, tag, mark }) {
	const link = el("a.row", { href: to, "data-tag": tag, "data-name": name },
		mark ? dot(name) : null, tag ? el("small", tag) : null, el("span.name", name), note == null ? null : el("span.n", note));
	if (count) link.style.backgroundSize = `${(100 * count) / most}% 100%`;
	return el("li", link);
}

export const about = ({ kind, year, movies: n }) => (kind === "movie" ? `${year}` : kind === "genre" ? `genre, ${movies(n)}` : movies(n));
