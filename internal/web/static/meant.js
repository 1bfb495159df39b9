// What somebody may have meant by words that no title has.
import { href } from "./address.js";
import { ask } from "./api.js";
import { el, icon, movies } from "./draw.js";

/** Suggestions for the words, and the people who have them in their names; none when the API is away. */
export async function meant(q, signal) {
  const get = (url) => ask(url, signal).then((a) => a.body, () => ({ suggestions: [], people: [] }));
  const [{ suggestions: all }, { people }] = await Promise.all([get(href({ q, limit: 6 }, "suggest")), get(href({ name: q, limit: 3 }, "people"))]);
  const more = people.filter((p) => !all.some((s) => s.kind === "person" && s.text === p.name));
  return [...all, ...more.map((p) => ({ kind: "person", text: p.name, movies: p.movies }))];
}

/** What is told of a suggestion beside its text. */
export const about = ({ kind, year, movies: n }) => (kind === "movie" ? `${year}` : kind === "genre" ? `genre, ${movies(n)}` : movies(n));

export const links = (suggestions, to) =>
  el("ul.meant", ...suggestions.map((s) => el("li", el("a", { href: to(s) }, icon(s.kind), el("span", s.text), el("span.soft", about(s))))));
