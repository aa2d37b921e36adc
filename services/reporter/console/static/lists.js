// The review list by keys: filters, search, saving a view.
import { onKey } from "./keys.js";

function unfold(selector, field) {
  return () => {
    const place = document.querySelector(selector);
    if (!place) return;
    place.open = true;
    place.querySelector(field)?.focus();
  };
}

export function startLists() {
  if (!document.querySelector("[data-filters]")) return;
  onKey("filters", "f", unfold("[data-filters] details", "input"));
  onKey("search", "/", () => document.querySelector("[data-filters] input[type=search]").focus());
  onKey("save", "s", unfold("[data-save]", "input[type=text]"));
}
