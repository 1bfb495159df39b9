// The address holds the state of the page: the API's own parameters for a list, or
// movie=ID or person=NAME for a page about one. All addresses are relative: a proxy may
// serve the page below a path of its own.

/** What the address asks for. */
export function place() {
  const params = new URLSearchParams(location.search);
  const view = ["movie", "person"].find((name) => params.has(name)) ?? "list";
  return { view, params, value: params.get(view) };
}

/** The address of a page with these parameters, or of one of the API's lists. */
export function href(params, list = "./") {
  const text = new URLSearchParams(params).toString();
  return text === "" ? list : `${list}?${text}`;
}

export const movieHref = (id) => `./?movie=${id}`;
export const personHref = (name) => href({ person: name });

/** Where a suggestion leads; a genre is added to the filters. */
export function suggestionHref({ kind, text, url }, filters) {
  if (kind === "movie") return movieHref(url.split("/").pop());
  return kind === "person" ? personHref(text) : withName(filters, "genre", text);
}

/** A changed copy of a list's parameters, without what makes sense no more. */
export function edit(params, change) {
  const copy = new URLSearchParams(params);
  change(copy);
  copy.delete("start");
  if (!copy.has("q") && copy.get("sort") === "match") copy.delete("sort");
  return copy;
}

export const withName = (params, name, value) => href(edit(params, (p) => p.has(name, value) || p.append(name, value)));

/** The filters alone, without those that are named. */
export function filters(params, ...without) {
  const copy = new URLSearchParams(params);
  for (const name of ["sort", "limit", "start", ...without]) copy.delete(name);
  return copy;
}

/** The page of movies that follows, or null. */
export const nextOf = (page) => page.next_url && `movies${new URL(page.next_url, location).search}`;
