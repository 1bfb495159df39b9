// The API reference, made of the OpenAPI document. All addresses are relative: a proxy
// may serve the page below a path of its own.
import { el } from "./draw.js";
import { command, number, took } from "./parts.js";

const $ = (id) => document.getElementById(id);
const most = 256 << 10, patience = 10; // bytes and seconds of an answer
const shownHeaders = ["content-type", "content-encoding", "content-disposition", "cache-control", "etag", "link", "catalogue-revision", "total-count", "age", "retry-after", "server-timing", "x-request-id"];

/** What the schema of a parameter says, in words. */
function facts({ required, schema, example }) {
  const one = schema.items ?? schema;
  const range = one.minimum === undefined ? null : one.maximum === undefined ? `from ${one.minimum}` : `${one.minimum} to ${one.maximum}`;
  return [
    required && "required", one.type, range, schema.maxItems && `up to ${schema.maxItems}, one a line`,
    schema.default !== undefined && `default ${schema.default}`, example !== undefined && `such as ${[example].flat().join(", ")}`,
  ].filter(Boolean).join(" · ");
}

function field(id, p) {
  const value = p.required ? p.example : "";
  const about = { id, name: p.name, "aria-describedby": `${id}-about`, "data-in": p.in, autocomplete: "off", spellcheck: "false", required: p.required };
  let input;
  if (p.schema.enum) input = el("select", about, ...["", ...p.schema.enum].map((v) => el("option", {}, v)));
  else if (p.schema.items) input = el("textarea", { ...about, rows: 1 });
  else input = el("input", { ...about, value });
  return el("div", {}, el("label", { for: id }, el("span", { class: "name" }, p.name), p.in === "query" ? "" : ` (${p.in})`), input,
    el("div", { id: `${id}-about`, class: "soft" }, p.description, el("br"), facts(p)));
}

/** The request that a form asks for: its address, headers, and the line for curl. */
function request(path, form) {
  const query = new URLSearchParams(), headers = {};
  for (const input of form.querySelectorAll("[data-in]")) {
    for (const value of input.localName === "textarea" ? input.value.split("\n") : [input.value]) {
      if (value === "") continue;
      if (input.dataset.in === "path") path = path.replace(`{${input.name}}`, encodeURIComponent(value));
      else if (input.dataset.in === "header") headers[input.name] = value;
      else query.append(input.name, value);
    }
  }
  const url = new URL(`.${path}${query.size ? `?${query}` : ""}`, location).href;
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const curl = ["curl -sN", ...Object.entries(headers).map(([k, v]) => `-H ${quote(`${k}: ${v}`)}`), quote(url)].join(" ");
  return { url, headers, curl };
}

/** Reads an answer until its end, most bytes, or stop. Says why it ended early. */
async function read(response, stop, show) {
  const reader = response.body.getReader(), decoder = new TextDecoder();
  let text = "", size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return "";
      const fits = value.subarray(0, most - size);
      size += fits.length;
      show(text += decoder.decode(fits, { stream: true }), size);
      if (size === most) {
        stop.abort();
        return `Stopped after ${most >> 10} KiB: curl gets all of it.`;
      }
    }
  } catch (error) {
    return stop.signal.aborted ? stop.signal.reason : `The answer breaks off: ${error.message}`;
  }
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch { // not JSON, or not all of it
    return text;
  }
}

async function send({ url, headers }, out, button, stop) {
  const started = performance.now();
  const timer = setTimeout(() => stop.abort(`Stopped after ${patience} s: curl goes on.`), patience * 1000);
  const line = el("p", { role: "status" }, "Asking"), body = el("pre", { tabindex: "0", "aria-label": "Body of the answer" });
  const pretty = el("input", { type: "checkbox", checked: true });
  let text = "";
  const show = () => { body.textContent = pretty.checked ? indented(text) : text; };
  pretty.addEventListener("change", show);
  out.replaceChildren(line);
  try {
    const response = await fetch(url, { headers, cache: "no-store", signal: stop.signal });
    const list = shownHeaders.filter((h) => response.headers.has(h)).flatMap((h) => [el("dt", {}, h), el("dd", { class: "mono" }, response.headers.get(h))]);
    out.append(el("dl", { class: "headers" }, ...list), el("label", {}, pretty, "Indent JSON"), body);
    const status = `${response.status} ${response.statusText}`;
    let length = 0;
    const why = await read(response, stop, (t, size) => { text = t; length = size; body.textContent = t; line.textContent = `${status}, reading: ${number(size)} bytes`; });
    show();
    line.textContent = `${status}, ${number(length)} bytes in ${took((performance.now() - started) / 1000)}. ${why}`;
  } catch (error) {
    line.textContent = stop.signal.aborted ? `No answer. ${stop.signal.reason}` : `No answer: ${error.message}`;
  }
  clearTimeout(timer);
  if (out.firstChild === line) button.disabled = true; // else it was asked again
}

function route(path, get, components) {
  const id = get.operationId, types = Object.keys(get.responses[200].content);
  const parameters = [...(get.parameters ?? [])];
  if (types.length > 1) parameters.push({ name: "Accept", in: "header", description: "The form of the answer.", schema: { type: "string", enum: types } });
  const line = command(""), out = el("div", { class: "answer" });
  const end = el("button", { type: "button", class: "quiet", disabled: true }, "Stop");
  const form = el("form", {},
    el("div", { class: "parameters" }, ...parameters.map((p) => field(`${id}-${p.name}`, p))),
    el("div", { class: "buttons" }, el("button", {}, "Send"), end));
  let stop = new AbortController();
  const update = () => { line.firstChild.textContent = request(path, form).curl; };
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    stop.abort("Asked again.");
    stop = new AbortController();
    end.disabled = false;
    update();
    send(request(path, form), out, end, stop);
  });
  end.addEventListener("click", () => stop.abort("Stopped."));
  update();
  const answers = Object.entries(get.responses).map(([status, r]) => `${status}: ${(r.$ref ? components.responses[r.$ref.split("/").at(-1)] : r).description}`);
  return el("details", { class: "route", id },
    el("summary", {}, el("code", {}, `GET ${path}`), get.summary),
    get.description ? el("p", {}, get.description) : null,
    form, line, out, el("details", {}, el("summary", {}, "Possible answers"), ...answers.map((a) => el("p", {}, a))));
}

function openNamed() {
  const named = $(location.hash.slice(1));
  if (named?.localName === "details") named.open = true;
}

try {
  const response = await fetch("openapi.json");
  if (!response.ok) throw new Error(`the answer is ${response.status}`);
  const { info, paths, components } = await response.json();
  $("about").replaceChildren(...info.description.split("\n\n").map((p) => el("p", {}, p)));
  $("routes").replaceChildren(...Object.entries(paths).map(([path, { get }]) => route(path, get, components)));
  $("state").textContent = "Open a route to try it.";
  openNamed();
  addEventListener("hashchange", openNamed);
} catch (error) {
  $("state").textContent = `The OpenAPI document cannot be shown: ${error.message}`;
}
