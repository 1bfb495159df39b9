// Small pieces of page: elements, bars and lines.

/** Makes an element with attributes and children; texts are never markup. */
export function el(name, attributes = {}, ...children) {
  const e = document.createElement(name);
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

/**
 * Draws a bar for each year from the first to the last, as links.
 * years: [{year, movies}], href(year) and chosen(year) for each bar.
 */
export function histogram(years, href, chosen) {
  const first = years[0].year, last = years[years.length - 1].year;
  const span = last - first + 1;
  const most = Math.max(...years.map((y) => y.movies));
  const bars = years.map(({ year, movies }) => {
    const height = Math.max(3, (movies / most) * 100);
    const label = `${year}: ${movies} ${movies === 1 ? "movie" : "movies"}`;
    const hit = svg("rect", { x: year - first, y: 0, width: 1, height: 100, "fill-opacity": 0 });
    const bar = svg("rect", { x: year - first + 0.08, y: 100 - height, width: 0.84, height, class: chosen(year) ? "in" : "" });
    return svg("a", { href: href(year), "aria-label": label, "data-year": year }, svg("title", {}, label), hit, bar);
  });
  const chart = svg("svg", { viewBox: `0 0 ${span} 100`, preserveAspectRatio: "none", role: "group", "aria-label": "Movies per year" }, ...bars);
  return [chart, el("div", { class: "ends", "aria-hidden": "true" }, el("span", {}, String(first)), el("span", {}, String(last)))];
}

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
