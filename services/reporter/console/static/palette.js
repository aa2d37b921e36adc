// Everything the page offers, by name (ctrl+k): what has a key, and where the navigation leads. The words are the page's.
import { open, run } from "./keys.js";

const OFFERED = "main :is(a, button, summary):has(kbd[data-key-of]), [data-go], header details a, header details button";
const find = (selector) => document.querySelector(selector);
let commands = [];
let at = 0;

const words = (element) => [...element.childNodes].filter((node) => !node.matches?.("kbd, .count")).map((node) => node.textContent).join(" ").replace(/\s+/g, " ").trim();

/** Return what can be done here, each name once: what the page offers first. */
function offered() {
  const found = new Map();
  for (const element of document.querySelectorAll(OFFERED)) {
    const name = words(element);
    if (name && !element.closest("[hidden]") && !found.has(name) && !element.matches("[data-open=palette]")) found.set(name, element);
  }
  return [...found].map(([name, element]) => ({ name, element, key: element.querySelector("kbd")?.textContent || (element.dataset.go ? `g ${element.dataset.go}` : "") }));
}

function show() {
  const typed = find("#palette-words").value.toLocaleLowerCase().split(/\s+/);
  const list = find("#palette-list");
  const matching = commands.filter(({ name }) => typed.every((word) => name.toLocaleLowerCase().includes(word)));
  at = Math.min(at, Math.max(0, matching.length - 1));
  list.replaceChildren(...matching.map((command, n) => {
    const option = document.createElement("li");
    const key = document.createElement("kbd");
    Object.assign(option, { id: `palette-${n}`, role: "option", ariaSelected: String(n === at) });
    key.textContent = command.key;
    option.append(command.name, ...(command.key ? [" ", key] : []));
    option.addEventListener("click", () => act(command));
    return option;
  }));
  list.hidden = !matching.length;
  find("[data-nothing]").hidden = Boolean(matching.length);
  find("#palette-words").setAttribute("aria-activedescendant", matching.length ? `palette-${at}` : "");
  list.children[at]?.scrollIntoView({ block: "nearest" });
  return matching;
}

function act({ element }) {
  find("#palette").close();
  if (element.matches("summary")) run(element.querySelector("kbd").dataset.keyOf);
  else element.click();
}

function typed(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) {
    event.preventDefault();
    at = Math.max(0, at + step);
    show();
  } else if (event.key === "Enter") {
    event.preventDefault();
    const chosen = show()[at];
    if (chosen) act(chosen);
  }
}

function begin() {
  commands = offered();
  at = 0;
  find("#palette-words").value = "";
  show();
  open(find("#palette"));
}

export function startPalette() {
  if (!find("#palette")) return;
  find("#palette-words").addEventListener("input", () => { at = 0; show(); });
  find("#palette-words").addEventListener("keydown", typed);
  for (const opener of document.querySelectorAll("[data-open=palette]")) opener.addEventListener("click", begin);
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (!find("dialog[open]")) begin();
  });
}
