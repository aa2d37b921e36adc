// Keys of the audits' pages: 0 to 4, u and space where a post is rated, a in a table of posts.
import { onKey } from "./keys.js";

function presses(act) {
  return () => document.querySelector(`[data-key-act="${act}"]`)?.click();
}

/** The row that has the focus, else the first one on the screen. */
function row() {
  const near = document.activeElement?.closest("[data-row]");
  return near || [...document.querySelectorAll("[data-row]")].find((each) => each.getBoundingClientRect().bottom > 0);
}

export function startAudits() {
  if (document.querySelector("[data-key-act]")) {
    for (const rating of ["0", "1", "2", "3", "4"]) onKey(`rate-${rating}`, rating, presses(`rate-${rating}`));
    onKey("rate-u", "u", presses("rate-u"));
    onKey("reveal", " ", presses("reveal"));
    for (const each of document.querySelectorAll('[data-key-of="reveal"]')) {
      if (each.textContent === " ") each.textContent = "space";
    }
  }
  if (document.querySelector("[data-key-row]")) {
    onKey("add-evidence", "a", () => row()?.querySelector('[data-key-row="add-evidence"]')?.click());
  }
}
