// The review list by keys: filters, search, saving a view; going from post to post, choosing several, deciding them alike.
import { onKey } from "./keys.js";

const KEYS = { correct: "1", incorrect: "2", unsure: "3" };
const find = (selector) => document.querySelector(selector);
let last = null;

function unfold(selector, field) {
  return () => {
    const place = find(selector);
    if (!place) return;
    place.open = true;
    place.querySelector(field)?.focus();
  };
}

const rows = () => [...document.querySelectorAll("[data-row]")];
const here = () => document.activeElement?.closest("[data-row]");
const chosen = () => [...document.querySelectorAll("[data-pick]:checked")];

function move(step) {
  const all = rows();
  const at = all.indexOf(here());
  const next = at < 0 ? all[0] : all[Math.min(Math.max(at + step, 0), all.length - 1)];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

/** Say how many are chosen, and show what can be done with them. */
function count() {
  const place = find("[data-chosen]");
  if (!place) return;
  const many = chosen().length;
  const number = new Intl.NumberFormat(document.documentElement.lang).format(many);
  place.textContent = place.dataset.words.replace("{count}", number);
  find("[data-bulk]").hidden = !many;
}

function pick(range) {
  const row = here() || rows()[0];
  const box = row?.querySelector("[data-pick]");
  if (!box) return;
  row.focus();
  const all = rows();
  const [from, to] = [all.indexOf(last || row), all.indexOf(row)].sort((a, b) => a - b);
  const several = all.slice(from, to + 1).map((each) => each.querySelector("[data-pick]"));
  if (range) for (const each of several) if (each) each.checked = true;
  if (!range) box.checked = !box.checked;
  last = row;
  count();
}

function decide(verdict) {
  const place = chosen().length ? find("[data-bulk]") : here();
  place?.querySelector(`[data-bulk-verdict="${verdict}"], [data-verdict="${verdict}"]`)?.click();
}

function list() {
  for (const row of rows()) row.tabIndex = -1;
  for (const [verdict, key] of Object.entries(KEYS)) onKey(verdict, key, () => decide(verdict));
  onKey("next", "j", () => move(1));
  onKey("previous", "k", () => move(-1));
  onKey("select", "x", () => pick(false));
  onKey("range", "X", () => pick(true));
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-pick]")) return;
    last = event.target.closest("[data-row]");
    count();
  });
  addEventListener("pageshow", count);
  count();
}

export function startLists() {
  const sure = find("[data-sure]");
  if (sure) onKey(sure.dataset.sure, KEYS[sure.dataset.sure], () => sure.click());
  onKey("alike", "d", () => find("[data-alike]")?.click());
  if (!find("[data-filters]")) return;
  onKey("filters", "f", unfold("[data-filters] details", "input"));
  onKey("search", "/", () => find("[data-filters] input[type=search]").focus());
  onKey("save", "s", unfold("[data-save]", "input[type=text]"));
  if (find("[data-list]")) list();
}
