// The search box: a combobox as in the ARIA Authoring Practices.
import { href } from "./address.js";
import { ask, turns } from "./api.js";
import { about } from "./cards.js";
import { el } from "./draw.js";

const between = 80; // milliseconds between two requests

/** Returns a function that closes the list. */
export function combobox({ input, list, choose, search }) {
	const turn = turns();
	let active = -1, timer, asked = 0;

	function open(yes) {
		list.hidden = !yes;
		input.setAttribute("aria-expanded", yes);
		mark(-1);
	}

	function close() {
		clearTimeout(timer);
		turn(); // drops a late answer
		open(false);
	}

	function mark(i) {
		active = i;
		for (const [n, option] of [...list.children].entries()) option.setAttribute("aria-selected", n === i);
		input.setAttribute("aria-activedescendant", list.children[i]?.id ?? "");
		list.children[i]?.scrollIntoView({ block: "nearest" });
	}

	function option(i, text, note, act) {
		const item = el("li", { role: "option", id: `option-${i}` }, el("span.name", text), " ", el("span.soft", note));
		item.addEventListener("click", () => take(act));
		return item;
	}

	function show(q, suggestions) {
		list.replaceChildren(...suggestions.map((s, i) => option(i, s.text, about(s), () => choose(s))), option(suggestions.length, `Titles with “${q}”`, "", () => search(q)));
		open(true);
		list.scrollTop = 0;
	}

	async function suggest() {
		const q = input.value.trim();
		if (!/[\p{L}\p{N}]/u.test(q)) return close();
		asked = Date.now();
		const signal = turn();
		const answer = await ask(href({ q }, "suggest"), signal).catch(() => null);
		if (answer !== null && !signal.aborted && document.activeElement === input) show(q, answer.body.suggestions);
	}

	function soon() {
		clearTimeout(timer);
		timer = setTimeout(suggest, Math.min(between, asked + between - Date.now()));
	}

	function take(act) {
		close();
		act();
	}

	const keys = {
		ArrowDown: () => (list.hidden ? soon() : mark(active + 1 < list.children.length ? active + 1 : -1)),
		ArrowUp: () => (list.hidden ? soon() : mark(active < 0 ? list.children.length - 1 : active - 1)),
		Enter: () => (list.hidden || active < 0 ? take(() => search(input.value.trim())) : list.children[active].click()),
		Escape: () => close(), // the text stays
	};

	input.addEventListener("input", soon);
	input.addEventListener("blur", close);
	input.addEventListener("keydown", (event) => {
		if (event.isComposing || event.keyCode === 229 || !keys[event.key] || (event.key === "Escape" && list.hidden)) return;
		event.preventDefault();
		keys[event.key]();
	});
	list.addEventListener("pointerdown", (event) => event.preventDefault()); // keeps the focus in the box
	return close;
}
