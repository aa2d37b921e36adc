// Who decides which post right now: heard within a moment, counted down here. The words stand in the page.
import { announce } from "./prefs.js";
import { on } from "./sse.js";

const unit = (name) => new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit: name, unitDisplay: "short" });
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
const long = (seconds) => (seconds < 60 ? unit("second").format(seconds) : unit("minute").format(Math.round(seconds / 60)));

function show(tag) {
  const { until, holder, left } = tag.dataset;
  if (!until) tag.dataset.until = Date.now() + Number(left) * 1000;
  const seconds = Math.round((Number(tag.dataset.until) - Date.now()) / 1000);
  tag.hidden = seconds <= 0;
  const words = holder ? tag.dataset.other.replace("{name}", holder).replace("{left}", long(seconds)) : tag.dataset.you.replace("{left}", clock(seconds));
  if (!tag.hidden) say(tag, words);
  const other = tag.closest("[data-card]")?.querySelector("[data-deciding]");
  if (!other) return;
  other.hidden = tag.hidden || !holder;
  if (!other.hidden) say(other.firstElementChild, other.dataset.deciding.replace("{name}", holder));
}

function say(place, words) {
  if (place.textContent !== words) place.textContent = words;
}

/** A colleague handed a post over: say so on whatever page is open. */
function handed(post, by) {
  const place = document.querySelector("[data-handed]");
  if (!place) return;
  say(place.firstElementChild, place.dataset.handed.replace("{name}", by));
  place.querySelector("a").href = `/posts/${encodeURIComponent(post)}`;
  place.hidden = false;
  announce(place.firstElementChild.textContent);
}

function tick() {
  for (const tag of document.querySelectorAll("[data-held]")) show(tag);
}

export function startPresence() {
  on("held", ({ post_id: post, name, left_s: left, by }) => {
    if (by) handed(post, by);
    for (const tag of document.querySelectorAll(`[data-held="${CSS.escape(post)}"]`)) {
      Object.assign(tag.dataset, { until: Date.now() + left * 1000, holder: name });
      show(tag);
    }
  });
  document.addEventListener("ombud:arrived", tick);
  setInterval(tick, 1000);
}
