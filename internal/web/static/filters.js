// The filters beside the list: years, genres and people, each with how many movies match.
import { edit, filters, href } from "./address.js";
import { insist, turns } from "./api.js";
import { row } from "./cards.js";
import { $, el } from "./draw.js";
import { histogram } from "./histogram.js";

const few = 12;
const tags = { "": "✓", _any: "any", _not: "not" };

/** Makes the filters. go(address, options) leads to a changed list; all(n) is told how many movies there are. */
export function panel({ go, all }) {
  const turn = turns(), peopleTurn = turns();
  let params = new URLSearchParams();
  let asked = null; // what is shown, as an address
  let whole = null; // all movies per year
  let off = false; // the API has no index
  const counts = { genre: [], cast: [] };

  const leave = (change, options) => go(href(edit(params, change)), options);

  // --- years

  // A range that follows from the one before, key by key, is one step back.
  const drawYears = histogram($("years"), (range) => leave(setYears(range ?? []), { replace: document.activeElement.type === "number" && /year_/.test(params) }));

  const setYears = ([from, to]) => (p) => {
    for (const [name, value] of [["year", null], ["year_from", from], ["year_to", to]]) if (value) p.set(name, value); else p.delete(name);
  };

  function showYears(part) {
    drawYears(whole, part, ...["year_from", "year_to"].map((name) => Number(params.get("year") ?? params.get(name)) || null));
  }

  // --- genres and people

  const way = (group) => document.querySelector(`[name=${group}-way]:checked`).value;

  function drawGroup(group) {
    const known = counts[group], most = Math.max(1, ...known.map((c) => c.count));
    const chosen = Object.keys(tags).flatMap((w) => params.getAll(group + w).map((name) => ({
      name, tag: tags[w], count: known.find((c) => c.name === name)?.count, to: href(edit(params, (p) => p.delete(group + w, name))),
    })));
    const others = known.filter((k) => !chosen.some((c) => c.name === k.name))
      .map((k) => ({ ...k, to: href(edit(params, (p) => p.append(group + way(group), k.name))) }));
    const rows = [...chosen, ...others].map((r) => row({ ...r, most, mark: group === "genre" }));
    const focused = document.activeElement.dataset.name;
    $(group).replaceChildren(...rows.slice(0, few), rows.length === 0 ? el("li.soft", "None") : "");
    $(`${group}-more`).replaceChildren(...rows.slice(few));
    $(`${group}-more`).parentNode.hidden = rows.length <= few;
    if (focused && document.activeElement === document.body) rows.map((r) => r.firstChild).find((a) => a.dataset.name === focused)?.focus();
  }

  /** Switches the way; what was chosen as all becomes any, and back. */
  function switchWay(group) {
    const to = way(group), from = { "": "_any", _any: "" }[to];
    if (from === undefined || !params.has(group + from)) return drawGroup(group);
    leave((p) => {
      for (const name of p.getAll(group + from)) p.append(group + to, name);
      p.delete(group + from);
    });
  }

  async function askPeople(signal) {
    const p = filters(params, "cast_any"), name = $("cast-name").value;
    p.set("limit", 100);
    if (/[\p{L}\p{N}]/u.test(name)) p.set("name", name);
    const { body } = await insist(href(p, "people"), signal);
    counts.cast = body.people.map((c) => ({ name: c.name, count: c.movies }));
  }

  for (const group of ["genre", "cast"]) {
    for (const input of document.querySelectorAll(`[name=${group}-way]`)) input.addEventListener("change", () => switchWay(group));
  }
  let timer;
  $("cast-name").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => askPeople(peopleTurn()).then(() => drawGroup("cast"), () => {}), 150); // superseded, or the list says what is wrong
  });

  // --- all of it

  /** Shows the filters of a list. A number of "any" is counted without this condition: it is what the name would bring. */
  return async function show(now, again = false) {
    if (off || (!again && now.toString() === asked)) return;
    params = now;
    asked = now.toString();
    if (again) whole = null;
    const signal = turn();
    for (const group of ["genre", "cast"]) {
      const any = params.has(`${group}_any`);
      if (any || params.has(group)) document.querySelector(`[name=${group}-way][value="${any ? "_any" : ""}"]`).checked = true;
    }
    const others = filters(params, "year", "year_from", "year_to");
    try {
      const [genres, part, every] = await Promise.all([
        insist(href(filters(params, "genre_any"), "genres"), signal),
        insist(href(others, "years"), signal),
        whole === null && others.size > 0 ? insist("years", signal) : null,
        askPeople(signal),
      ]);
      if (every !== null || others.size === 0) whole = (every ?? part).body.years;
      counts.genre = genres.body.genres.map((g) => ({ name: g.genre, count: g.movies }));
      all(whole.reduce((sum, y) => sum + y.movies, 0));
      showYears(part.body.years);
      drawGroup("genre");
      drawGroup("cast");
    } catch (error) { // superseded, or the list says what is wrong
      off = error.status === 501;
      if (off) $("panel").replaceChildren("This API has no index, so nothing can be counted.");
    }
    $("panel").classList.toggle("ready", off || whole !== null);
  };
}
