// Movies, names and numbers as they are shown everywhere.
import { href, movieHref, personHref, withName } from "./address.js";
import { ask } from "./api.js";
import { el, movies, number } from "./draw.js";

const fewNames = 4;

/** The hue of a genre: the same wherever it is named. */
function hue(genre) {
  let sum = 5;
  for (const c of genre) sum = (sum * 33 + c.codePointAt(0)) % 9973;
  return (sum % 12) * 30;
}

function dot(genre) {
  const mark = el("span.mark");
  mark.style.setProperty("--hue", hue(genre));
  return mark;
}

export const genreLinks = (genres, filters) => genres.map((g) => el("a.genre", { href: withName(filters, "genre", g) }, dot(g), g));
export const personLink = (name) => el("a", { href: personHref(name) }, name);

/** A movie in a list; its genres lead to these filters and the genre. */
export function card(movie, filters) {
  const more = movie.cast.length - fewNames;
  return el("li.card", { "data-id": movie.id },
    el("h3", el("a", { href: movieHref(movie.id) }, movie.title)),
    el("span.year", movie.year),
    el("p.genres", ...genreLinks(movie.genres, filters)),
    el("p.cast", ...movie.cast.slice(0, fewNames).map(personLink), more > 0 ? el("span", `+${more}`) : null));
}

/** Shows for a while that something is new. */
export function flash(item) {
  item.classList.add("changed");
  setTimeout(() => item.classList.remove("changed"), 4000);
}

/** A name with its number of movies, before a bar that shows its part of the most. */
export function row({ name, count, most, to, tag, mark }) {
  const link = el("a.row", { href: to, "data-tag": tag, "data-name": name }, mark ? dot(name) : null, tag ? el("small", tag) : null, el("span.name", name), count == null ? null : el("span.n", number(count)));
  link.style.backgroundSize = `${(100 * (count ?? 0)) / most}% 100%`;
  return el("li", link);
}

/** What somebody may have meant by words that nothing has; nothing when the API is away. */
export const meant = (q, signal) => ask(href({ q }, "suggest"), signal).then((a) => a.body.suggestions, () => []);

/** What is told of a suggestion beside its text. */
export const about = ({ kind, year, movies: n }) => (kind === "movie" ? `${year}` : kind === "genre" ? `genre, ${movies(n)}` : movies(n));

export const links = (suggestions, to) =>
  el("ul.rows.meant", ...suggestions.map((s) => el("li", el("a.row", { href: to(s) }, el("span.name", s.text), el("span.n", about(s))))));
