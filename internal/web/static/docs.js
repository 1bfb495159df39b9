// The API reference, made of the OpenAPI document. All addresses are relative: a proxy
// may serve the page below a path of its own.
import { $, el, number } from "./draw.js";
import { command, took } from "./parts.js";

const most = 256 << 10, patience = 10; // bytes and seconds of an answer

/** What the schema of a parameter says, in words. */
function facts({ required, schema, example }) {
  const { type, minimum, maximum } = schema.items ?? schema;
  return [
    required && "required", type, minimum !== undefined && `from ${minimum}`, maximum !== undefined && `to ${maximum}`, schema.maxItems && `up to ${schema.maxItems}, one a line`,
    schema.default !== undefined && `default ${schema.default}`, example !== undefined && `such as ${[example].flat().join(", ")}`,
  ].filter(Boolean).join(" · ");
}

function field(id, { name, in: where, required, schema, description, example }) {
  const about = { id, name, "data-in": where, "aria-describedby": `${id}-about`, autocomplete: "off", spellcheck: "false", required };
  const input = schema.enum ? el("select", about, ...["", ...schema.enum].map((v) => el("option", v)))
    : schema.items ? el("textarea", { ...about, rows: 1 }) : el("input", { ...about, value: required && example });
  return el("div", el("label", { for: id }, el("b", name), where === "query" ? "" : ` (${where})`), input,
    el("div.soft", { id: `${id}-about` }, description, el("br"), facts({ required, schema, example })));
}

/** The request that a form asks for: its address, headers, and the line for curl. */
function request(path, form) {
  const query = new URLSearchParams(), headers = {};
  for (const { name, value, dataset } of form.querySelectorAll("[data-in]")) {
    if (value === "") continue;
    if (dataset.in === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (dataset.in === "header") headers[name] = value;
    else for (const line of value.split("\n").filter(Boolean)) query.append(name, line);
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
    for (let part; !(part = await reader.read()).done;) {
      const fits = part.value.subarray(0, most - size);
      size += fits.length;
      show(text += decoder.decode(fits, { stream: true }), size);
      if (size === most) stop.abort(`Stopped after ${most >> 10} KiB: curl gets all of it.`);
    }
    return "";
  } catch (error) {
    return stop.signal.aborted ? stop.signal.reason : `The answer breaks off: ${error.message}`;
  }
}

async function send({ url, headers }, out, button, stop) {
  const started = performance.now();
  const timer = setTimeout(() => stop.abort(`Stopped after ${patience} s: curl goes on.`), patience * 1000);
  const line = el("p", { role: "status" }, "Asking"), body = el("pre", { tabindex: "0", "aria-label": "Body of the answer" });
  let length = 0;
  out.replaceChildren(line);
  try {
    const response = await fetch(url, { headers, cache: "no-store", signal: stop.signal });
    out.append(el("p.headers.mono", [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n")), body);
    const status = `${response.status} ${response.statusText}, `;
    const why = await read(response, stop, (text, size) => {
      length = size;
      body.textContent = text;
      line.textContent = `${status}reading: ${number(length)} bytes`;
    });
    line.textContent = `${status}${number(length)} bytes in ${took((performance.now() - started) / 1000)}. ${why}`;
  } catch (error) {
    line.textContent = `No answer${stop.signal.aborted ? `. ${stop.signal.reason}` : `: ${error.message}`}`;
  }
  clearTimeout(timer);
  if (out.firstChild === line) button.disabled = true; // else it was asked again
}

function route(path, get, components) {
  const id = get.operationId, types = Object.keys(get.responses[200].content);
  const parameters = [...(get.parameters ?? [])];
  if (types.length > 1) parameters.push({ name: "Accept", in: "header", description: "The form of the answer.", schema: { type: "string", enum: types } });
  const line = command(""), out = el("div.answer"), end = el("button.quiet", { type: "button", disabled: true }, "Stop");
  const form = el("form", el("div.parameters", ...parameters.map((p) => field(`${id}-${p.name}`, p))), el("button", "Send"), " ", end);
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
  return el("details.box.route", { id },
    el("summary", el("code", `GET ${path}`), " ", get.summary), get.description ? el("p", get.description) : null,
    form, line, out, el("details", el("summary", "Possible answers"), ...answers.map((a) => el("p", a))));
}

function openNamed() {
  const named = $(location.hash.slice(1));
  if (named?.localName === "details") named.open = true;
}

try {
  const response = await fetch("openapi.json");
  if (!response.ok) throw new Error(`the answer is ${response.status}`);
  const { info, paths, components } = await response.json();
  $("about").replaceChildren(...info.description.split("\n\n").map((p) => el("p", p)));
  $("routes").replaceChildren(...Object.entries(paths).map(([path, { get }]) => route(path, get, components)));
  $("state").textContent = "Open a route to try it.";
  openNamed();
  addEventListener("hashchange", openNamed);
} catch (error) {
  $("state").textContent = `The OpenAPI document cannot be shown: ${error.message}`;
}
