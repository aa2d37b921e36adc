// Small things a page offers where scripts run: copying its link, sending a form that changed by itself.
import { onKey } from "./keys.js";

/** Say something to those who listen to the page; the words come from the page itself. */
export function announce(words) {
  const place = document.querySelector("[data-announce]");
  if (place) place.textContent = words;
}

async function copy(button) {
  await navigator.clipboard?.writeText(new URL(button?.dataset.copy || location.href, location.href).href);
  if (button?.dataset.done) announce(button.dataset.done);
}

export function startPrefs() {
  const button = () => document.querySelector("[data-copy]");
  if (button()) {
    button().hidden = false;
    document.addEventListener("click", (event) => { if (event.target.closest("[data-copy]")) copy(button()); });
    onKey("copy", "c", () => copy(button()));
  }
  for (const form of document.querySelectorAll("form[data-auto]")) {
    form.querySelector("[data-plain]")?.setAttribute("hidden", "");
    form.addEventListener("change", () => form.requestSubmit());
  }
}
