// The API reference, generated from the OpenAPI document.
import { ask } from "./api.js";
import { $, el, number, took } from "./draw.js";

const maxBytes = 256 << 10, maxSeconds = 10; // of a response

function facts({ required, schema, example }) {
	const { type, minimum, maximum } = schema.items ?? schema;
	return [
		required && "required", type, minimum !== undefined && `from ${minimum}`, maximum !== undefined && `to ${maximum}`, schema.maxItems && `up to ${schema.maxItems}, one a line`,
		schema.default !== undefined && `default ${schema.default}`, example !== undefined && `such as ${[example].flat().join(", ")}`,
	].filter(Boolean).join(" · ");
}

function field(id, { name, in: where, required, schema, description, example }) {
	const about = { id, name, "data-in": where, "aria-describedby": `${id}-about`, required };
	const input = schema.enum ? el("select", about, ...["", ...schema.enum].map((v) => el("option", v)))
		: schema.items ? el("textarea", { ...about, rows: 1 }) : el("input", { ...about, value: required && example });
	return el("div", el("label", { for: id }, el("b", name), where === "query" ? "" : ` (${where})`), input,
		el("div.soft", { id: `${id}-about` }, description, el("br"), facts({ required, schema, example })));
}

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

/** Shows the response until it ends, reaches a limit, or stop is aborted. */
async function send({ url, headers }, out, button, stop) {
	const started = performance.now(), decoder = new TextDecoder();
	const timer = setTimeout(() => stop.abort(`Stopped after ${maxSeconds} s: curl has no limit.`), maxSeconds * 1000);
	const line = el("p", { role: "status" }, "Waiting for the response"), body = el("pre", { tabindex: "0", "aria-label": "Body of the response" });
	let status = null, size = 0, why = "";
	out.replaceChildren(line);
	try {
		const response = await fetch(url, { headers, cache: "no-store", signal: stop.signal });
		status = line.textContent = `${response.status} ${response.statusText}`;
		out.append(el("p.headers.mono", [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n")), body);
		const reader = response.body.getReader();
		for (let part; !(part = await reader.read()).done;) {
			const fits = part.value.subarray(0, maxBytes - size);
			size += fits.length;
			body.append(decoder.decode(fits, { stream: true }));
			if (size === maxBytes) stop.abort(`Stopped after ${maxBytes >> 10} KiB: curl has no limit.`);
		}
	} catch (error) {
		why = stop.signal.aborted ? stop.signal.reason : error.message;
	}
	clearTimeout(timer);
	line.textContent = status ? `${status}, ${number(size)} bytes in ${took((performance.now() - started) / 1000)}. ${why}` : `No response. ${why}`;
	if (out.firstChild === line) button.disabled = true; // otherwise a newer request runs
}

function route(path, get) {
	const id = get.operationId, types = Object.keys(get.responses[200].content);
	const parameters = [...(get.parameters ?? [])];
	if (types.length > 1) parameters.push({ name: "Accept", in: "header", description: "The media type of the response.", schema: { type: "string", enum: types } });
	const line = el("code.command"), out = el("div.answer"), end = el("button.quiet", { type: "button", disabled: true }, "Stop");
	const form = el("form", { autocomplete: "off" }, el("div.parameters", ...parameters.map((p) => field(`${id}-${p.name}`, p))), el("button", "Send"), " ", end);
	let stop = new AbortController();
	const update = () => { line.textContent = request(path, form).curl; };
	form.addEventListener("input", update);
	form.addEventListener("submit", (event) => {
		event.preventDefault();
		stop.abort("A newer request was sent.");
		stop = new AbortController();
		end.disabled = false;
		update();
		send(request(path, form), out, end, stop);
	});
	end.addEventListener("click", () => stop.abort("Stopped."));
	update();
	return el("details.box.route", { id },
		el("summary", el("code", `GET ${path}`), " ", get.summary), get.description ? el("p", get.description) : null,
		form, line, out);
}

try {
	const { info, paths } = (await ask("openapi.json")).body;
	$("about").replaceChildren(...info.description.split("\n\n").map((p) => el("p", p)));
	$("routes").replaceChildren(...Object.entries(paths).map(([path, { get }]) => route(path, get)));
	$("state").textContent = "Open a route to try it.";
	const named = $(location.hash.slice(1)); // a link to a route
	if (named) {
		named.open = true;
		named.scrollIntoView();
	}
} catch (error) {
	$("state").textContent = `The OpenAPI document cannot be loaded: ${error.message}`;
}
