// Single keys: outside fields only, never with a modifier, remappable, and off when the person says so.

const IN_FIELD = "input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]";
const PAUSE_MS = 1200;
const actions = new Map();
let prefix = 0;

/** Let a key do something: `name` is what settings call it, `key` what it is unless they say otherwise. */
export function onKey(name, key, act) {
  actions.set(own()[name] || key, { name, act });
  label(document);
}

const own = () => JSON.parse(document.body.dataset.keys || "{}");

/** Print the keys that the person chose where a part of the page names ours. */
export function label(part) {
  for (const [name, key] of Object.entries(own())) {
    for (const each of part.querySelectorAll(`[data-key-of="${CSS.escape(name)}"]`)) each.textContent = key;
  }
}

/** Do what the key of this name does. */
export function run(name) {
  for (const each of actions.values()) if (each.name === name) each.act();
}

/** Open a dialog; the browser gives the focus back to the opener when it closes. */
export function open(dialog) {
  if (dialog && !dialog.open) dialog.showModal();
}

function pressed(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest(IN_FIELD)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  if (event.key === " " && event.target.closest("button, a, summary, input, label")) return;
  if (performance.now() < prefix) {
    prefix = 0;
    const link = [...document.querySelectorAll("[data-go]")].find((each) => each.dataset.go === event.key);
    if (link) {
      event.preventDefault();
      sessionStorage.setItem("focus-heading", "yes");
      link.click();
    }
    return;
  }
  if (event.key === "g") {
    prefix = performance.now() + PAUSE_MS;
    return;
  }
  const found = actions.get(event.key === " " && event.shiftKey ? "shift+space" : event.key);
  if (found && !event.repeat && found.act(event) !== false) event.preventDefault();
}

export function startKeys() {
  for (const opener of document.querySelectorAll("[data-open]")) {
    opener.hidden = false;
    opener.addEventListener("click", () => open(document.getElementById(opener.dataset.open)));
  }
  if (sessionStorage.getItem("focus-heading")) {
    sessionStorage.removeItem("focus-heading");
    document.querySelector("h1[tabindex]")?.focus();
  }
  for (const menu of document.querySelectorAll("[data-menu]")) {
    document.addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
    menu.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && menu.open) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
    });
  }
  if (document.body.dataset.keysOn !== "yes") return;
  onKey("keys", "?", () => open(document.getElementById("keys-dialog")));
  document.addEventListener("keydown", pressed);
}
