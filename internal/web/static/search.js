// The search box: a combobox as the ARIA Authoring Practices describe it. The list opens
// while somebody types; the arrows choose, Enter takes, Escape closes.
import { href } from "./address.js";
import { ask, turns } from "./api.js";
import { el, icon } from "./draw.js";
import { about } from "./meant.js";

const between = 80; // milliseconds between two questions

/** choose(suggestion) and search(text) are called with what somebody has taken. */
export function combobox({ input, list, status, choose, search }) {
  const turn = turns();
  let options = []; // what each entry of the list does
  let active = -1, timer, asked = 0;

  function open(yes) {
    list.hidden = !yes;
    input.setAttribute("aria-expanded", yes);
    mark(-1);
  }

  function close() {
    clearTimeout(timer);
    turn(); // drops the answer that is on its way
    open(false);
  }

  function mark(i) {
    active = i;
    for (const [n, option] of [...list.children].entries()) option.setAttribute("aria-selected", n === i);
    input.setAttribute("aria-activedescendant", list.children[i]?.id ?? "");
    list.children[i]?.scrollIntoView({ block: "nearest" });
  }

  const option = (i, name, text, note) =>
    el("li", { role: "option", id: `option-${i}` }, icon(name), el("span.text", ...text), " ", el("span.soft", note));

  function show(q, suggestions) {
    const n = suggestions.length;
    options = [...suggestions.map((s) => () => choose(s)), () => search(q)];
    list.replaceChildren(...suggestions.map((s, i) => option(i, s.kind, marked(s.text, q), about(s))), option(n, "search", [`Titles with “${q}”`], ""));
    open(true);
    list.scrollTop = 0;
    status.textContent = `${n} ${n === 1 ? "suggestion" : "suggestions"}`;
  }

  async function suggest() {
    const q = input.value.trim();
    if (!/[\p{L}\p{N}]/u.test(q)) return close();
    asked = Date.now();
    const signal = turn();
    // Without an answer it was superseded, or the badge says that the API is away; Enter works all the same.
    const answer = await ask(href({ q }, "suggest"), signal).catch(() => null);
    if (answer !== null && !signal.aborted && document.activeElement === input) show(q, answer.body.suggestions);
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(suggest, Math.max(0, asked + between - Date.now()));
  }

  function take(act) {
    close();
    act();
  }

  const keys = {
    ArrowDown: () => (list.hidden ? soon() : mark(active + 1 < options.length ? active + 1 : -1)),
    ArrowUp: () => (list.hidden ? soon() : mark(active < 0 ? options.length - 1 : active - 1)),
    Enter: () => take(list.hidden || active < 0 ? () => search(input.value.trim()) : options[active]),
    Escape: () => close(), // what was typed stays
  };

  input.addEventListener("input", soon);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing || !keys[event.key] || (event.key === "Escape" && list.hidden)) return;
    event.preventDefault();
    keys[event.key]();
  });
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // the box keeps the focus
  list.addEventListener("click", (event) => {
    const chosen = event.target.closest("[role=option]");
    if (chosen) take(options[[...list.children].indexOf(chosen)]);
  });
}

const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** The text in pieces, what was typed of each word in bold. */
function marked(text, q) {
  const typed = fold(q).split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  return text.split(/(?<![\p{L}\p{N}])(?=[\p{L}\p{N}])/u).flatMap((word) => {
    const n = Math.max(0, ...typed.filter((t) => fold(word).startsWith(t)).map((t) => t.length));
    return [el("b", word.slice(0, n)), word.slice(n)];
  });
}
