// The page of a movie: who is in it, what is like it, and what has changed it.
import { href } from "./address.js";
import { ask, insist } from "./api.js";
import { card, genreLinks, personLink } from "./cards.js";
import { ago, el } from "./draw.js";

const names = 10; // so many may be asked for at once
const few = 8;
const near = 5; // years

/** Returns {title, parts, has} of the movie's page; has(change) tells whether it shows what has changed. */
export async function movie(id, signal) {
  const url = `movies/${encodeURIComponent(id)}`;
  const [found, past] = await Promise.all([
    insist(url, signal).catch((error) => { if (error.status !== 404) throw error; }),
    ask(`${url}/history`, signal).then((a) => a.body.history, () => null),
  ]);
  const has = (change) => String(change.id) === id;
  if (!found) return { ...gone(id, past), has };
  const it = found.body, like = await related(it, signal);
  const cast = it.cast.length > 0 ? el("ul.people", ...it.cast.map((name) => el("li", personLink(name)))) : el("p.soft", "Nobody is named.");
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

export const heading = (title, ...facts) => el("header.hero", el("h2", { tabindex: "-1" }, title), el("p.facts", ...facts));
export const section = (title, ...content) => el("section", el("h3", title), ...content);

const happened = { created: "Added", deleted: "Deleted", restored: "Came back", cast: "Cast changed", genres: "Genres changed" };

function history(past) {
  if (past === null) return section("History", el("p.soft", "It cannot be had now."));
  return section("History", el("ol.history", ...past.map((e) => el("li",
    el("span", e.changed.map((c) => happened[c] ?? c).join(", ") || "Changed"),
    el("time.soft", { datetime: e.time, title: `${new Date(e.time)}, revision ${e.revision}` }, `${ago(Date.now() - Date.parse(e.time))} ago`)))));
}

/** Movies that share the most people, then genres, then are nearest in time. */
async function related(it, signal) {
  const same = (name, list) => list.slice(0, names).map((v) => [name, v]);
  const questions = [];
  if (it.cast.length > 0) questions.push(same("cast_any", it.cast));
  if (it.genres.length > 0) questions.push([...same("genre", it.genres), ["year_from", Math.max(1, it.year - near)], ["year_to", Math.min(9999, it.year + near)]]);
  const answers = await Promise.all(questions.map((q) => ask(href([...q, ["limit", 100]], "movies"), signal).then((a) => a.body.movies, () => [])));
  const shared = (some, others) => some.filter((v) => others.includes(v)).length;
  const score = (m) => 4 * shared(m.cast, it.cast) + shared(m.genres, it.genres) - Math.min(1, Math.abs(m.year - it.year) / 50);
  const all = new Map(answers.flat().filter((m) => m.id !== it.id).map((m) => [m.id, m]));
  return [...all.values()].sort((a, b) => score(b) - score(a) || b.id - a.id).slice(0, few);
}
