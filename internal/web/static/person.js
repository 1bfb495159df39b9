// The page of a person: the movies by year, their genres, and who else is in them.
import { href, nextOf, personHref, suggestionHref } from "./address.js";
import { insist } from "./api.js";
import { card, links, meant, row } from "./cards.js";
import { el, movies, years } from "./draw.js";
import { chart } from "./histogram.js";
import { heading, section } from "./movie.js";

const few = 12;

/** Returns {title, parts, has} of the person's page; has(change) tells whether it shows what has changed. */
export async function person(name, signal) {
  const cast = { cast: name };
  const [films, counts, genres, people] = await Promise.all([
    filmography(cast, signal),
    insist(href(cast, "years"), signal),
    insist(href(cast, "genres"), signal),
    insist(href({ ...cast, limit: few + 1 }, "people"), signal),
  ]);
  const has = ({ id, movie }) => films.some((m) => m.id === id) || movie?.cast.includes(name);
  if (films.length === 0) return { ...(await nobody(name, signal)), has };
  const first = films.at(-1).year, last = films[0].year;
  const parts = [
    heading(name, el("span", movies(films.length)), el("span", years(first, last)), el("a", { href: href(cast) }, "Filter these movies")),
    el("div.columns",
      section("Movies", el("div.dense", el("ol.list.films", ...films.map((m) => card({ ...m, cast: m.cast.filter((c) => c !== name) }, cast))))),
      el("div",
        section("Years", el("div.career", chart({ part: counts.body.years }, first, last))),
        bars("Genres", genres.body.genres.map((g) => ({ name: g.genre, count: g.movies, to: href({ ...cast, genre: g.genre }), mark: true }))),
        bars("Often with", people.body.people.filter((p) => p.name !== name).map((p) => ({ name: p.name, count: p.movies, to: personHref(p.name) }))))),
  ];
  return { title: name, parts, has };
}

/** All movies of a person, the latest year first. */
async function filmography(cast, signal) {
  const all = [];
  for (let url = href({ ...cast, sort: "-year", limit: 100 }, "movies"); url !== null;) {
    const { body } = await insist(url, signal);
    all.push(...body.movies);
    url = nextOf(body);
  }
  return all;
}

function bars(title, rows) {
  return rows.length === 0 ? null : section(title, el("ul.rows", ...rows.slice(0, few).map((r) => row({ ...r, most: rows[0].count }))));
}

async function nobody(name, signal) {
  const title = `No movie has “${name}” in its cast`, others = await meant(name, signal);
  return { title, parts: [heading(title), others.length > 0 ? section("Did you mean …?", links(others, (s) => suggestionHref(s, {}))) : ""] };
}
