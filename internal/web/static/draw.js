// Small pieces of page: elements, lines, and numbers in words.

/** Makes an element from "name.class", perhaps attributes, and children; texts are never markup. */
export function el(kind, ...children) {
  const [name, ...classes] = kind.split(".");
  const e = document.createElement(name);
  e.classList.add(...classes);
  const attributes = children[0]?.constructor === Object ? children.shift() : {};
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) e.setAttribute(key, "");
    else if (value !== false && value != null) e.setAttribute(key, value);
  }
  e.append(...children.filter((c) => c != null));
  return e;
}

const namespace = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, ...children) {
  const e = document.createElementNS(namespace, name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

/** One of the pictures in the page. */
export const icon = (name) => svg("svg", { class: "icon", "aria-hidden": "true" }, svg("use", { href: `#i-${name}` }));

/** Draws numbers as a line over time, the newest at the right. */
export function line(values, label) {
  const most = Math.max(1, ...values);
  const points = values.map((v, i) => `${(i / Math.max(1, values.length - 1)) * 100},${98 - (v / most) * 96}`).join(" ");
  return svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": label }, svg("polyline", { points }));
}

/** Says how long ago a time was. */
export function ago(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

export const number = (n) => n.toLocaleString("en");
export const movies = (n) => `${number(n)} ${n === 1 ? "movie" : "movies"}`;
export const years = (first, last) => (first === last ? `${first}` : `${first}–${last}`);
