// Helpers that make elements and format numbers.

export const $ = (id) => document.getElementById(id);

/** Makes an element from "name.class", optional attributes, and children. Texts are never markup. */
const maker = (namespace) => (kind, ...children) => {
	const [name, ...classes] = kind.split(".");
	const e = document.createElementNS(namespace, name);
	e.classList.add(...classes);
	const attributes = children[0]?.constructor === Object ? children.shift() : {};
	for (const [key, value] of Object.entries(attributes)) {
		if (value === true) e.setAttribute(key, "");
		else if (value !== false && value != null) e.setAttribute(key, value);
	}
	e.append(...children.filter((c) => c != null));
	return e;
};

export const el = maker(document.documentElement.namespaceURI);
export const svg = maker("http://www.w3.org/2000/svg");

export function ago(milliseconds) {
	const seconds = Math.max(0, Math.round(milliseconds / 1000));
	if (seconds < 60) return `${seconds} s`;
	if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
	if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
	return `${Math.floor(seconds / 86400)} days`;
}

export const took = (seconds) => (seconds < 1 ? `${Math.ceil(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`);
export const number = (n) => n.toLocaleString("en", { maximumFractionDigits: n < 100 ? 1 : 0 });
export const many = (n, one) => `${number(n)} ${one}${n === 1 ? "" : "s"}`;
export const movies = (n) => many(n, "movie");
export const years = (first, last) => (first === last ? `${first}` : `${first}–${last}`);
