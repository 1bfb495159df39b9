// The address holds the state: the API's parameters for a list, movie=ID, or person=NAME.
// Addresses are relative, because a proxy may serve the page below another path.

export function place() {
	const params = new URLSearchParams(location.search);
	const view = ["movie", "person"].find((name) => params.has(name)) ?? "list";
	return { view, params, value: params.get(view) };
}

export function href(params, path = "./") {
	const text = new URLSearchParams(params).toString();
	return text === "" ? path : `${path}?${text}`;
}

export const movieHref = (id) => `./?movie=${id}`;
export const personHref = (name) => href({ person: name });

export function suggestionHref({ kind, text, url }, filters) {
	if (kind === "movie") return movieHref(url.split("/").pop());
	return kind === "person" ? personHref(text) : withName(filters, "genre", text);
}

/** Returns a changed copy, without parameters that the change makes invalid. */
export function edit(params, change) {
	const copy = new URLSearchParams(params);
	change(copy);
	copy.delete("start");
	if (!copy.has("q") && copy.get("sort") === "match") copy.delete("sort");
	return copy;
}

export const withName = (params, name, value) => href(edit(params, (p) => p.has(name, value) || p.append(name, value)));

export function filters(params, ...without) {
	const copy = new URLSearchParams(params);
	for (const name of ["sort", "limit", "start", ...without]) copy.delete(name);
	return copy;
}

export const nextOf = (page) => page.next_url && `movies${new URL(page.next_url, location).search}`;
