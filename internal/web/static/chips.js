// Says in words what was understood: each filter is a chip that removes it.
import { edit, href } from "./address.js";
import { el, years } from "./draw.js";

const words = {
  q: (v) => `title has ${v}…`,
  title: (v) => `titled “${v}”`,
  year: (v) => `in ${v}`,
  year_from: (v) => `from ${v} on`,
  year_to: (v) => `until ${v}`,
  cast: (v) => `with ${v}`,
  cast_any: (v) => `with any of ${v}`,
  cast_not: (v) => `without ${v}`,
  genre: (v) => v,
  genre_any: (v) => `any of ${v}`,
  genre_not: (v) => `not ${v}`,
  id: (v) => `number ${v}`,
  limit: (v) => `${v} at a time`,
  start: (v) => `behind movie ${v}`,
};

/** The chips of a list's parameters. */
export function chips(params) {
  const all = described(params).map(([text, without]) => el("a.chip", { href: href(edit(params, without)) }, el("span.hidden", "Remove "), text, el("span", { "aria-hidden": "true" }, "×")));
  return all.length < 2 ? all : [...all, el("a.chip.bare", { href: "./" }, "Clear all")];
}

/** What a list shows, in words. */
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
      all.push([words[name]?.(params.getAll(name).join(", ")) ?? name, (p) => p.delete(name)]);
    } else all.push([words[name]?.(value) ?? `${name}=${value}`, (p) => p.delete(name, value)]);
  }
  return all;
}
