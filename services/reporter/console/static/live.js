// The stream of newest posts: rows are made by the server, veiled; nothing moves while somebody reads.
import { load } from "./fragment.js";
import { onKey } from "./keys.js";
import { on, onQuiet } from "./sse.js";

const MOST = 200;
const WAIT_MS = 400;

export function startLive() {
  const list = document.querySelector("[data-live-rows]");
  const button = document.querySelector("[data-pause]");
  if (!list || !button) return;
  const fresh = document.querySelector("[data-fresh]");
  const query = new URLSearchParams(location.search);
  let paused = false;
  let missed = 0;

  // an event does not say which categories a post has: then there is no number
  const words = () => query.get("category") ? "some" : missed === 1 ? "one" : "more";
  const comes = (facts) => (facts.overall ?? 1) >= Number(query.get("min")) && (facts.flagged || !query.get("type"));

  function count(facts) {
    if (!comes(facts)) return;
    missed += 1;
    fresh.textContent = fresh.dataset[words()].replace("{count}", missed);
    fresh.hidden = !paused && !list.matches(":hover, :focus-within");
  }

  async function bring() {
    if (paused || list.matches(":hover, :focus-within")) return;
    missed = 0;
    fresh.hidden = true;
    const place = document.createElement("div");
    const since = list.firstElementChild?.dataset.at || "";
    const asked = new URLSearchParams(query);
    asked.set("since", since);
    const rows = await load(`/live/rows?${asked}`, place);
    list.prepend(...rows.children);
    while (list.children.length > MOST) list.lastElementChild.remove();
    document.querySelector("[data-waiting-for-posts]")?.setAttribute("hidden", "");
  }

  function toggle() {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    if (!paused) bring();
  }

  button.hidden = false;
  button.addEventListener("click", toggle);
  list.addEventListener("mouseleave", () => { if (missed) bring(); });
  onKey("pause", "p", toggle);
  on("posts.scored", count);
  onQuiet("posts.scored", WAIT_MS, () => bring().catch(() => {}));
}
