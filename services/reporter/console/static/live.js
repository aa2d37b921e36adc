// The stream of newest posts: rows are made by the server, veiled; nothing moves while somebody reads.
import { load } from "./fragment.js";
import { onKey } from "./keys.js";
import { onQuiet } from "./sse.js";

const MOST = 200;
const WAIT_MS = 400;

export function startLive() {
  const list = document.querySelector("[data-live-rows]");
  const button = document.querySelector("[data-pause]");
  if (!list || !button) return;
  const fresh = document.querySelector("[data-fresh]");
  let paused = false;
  let missed = 0;

  async function bring() {
    if (paused || list.matches(":hover, :focus-within")) {
      missed += 1;
      fresh.hidden = false;
      return;
    }
    missed = 0;
    fresh.hidden = true;
    const place = document.createElement("div");
    const since = list.firstElementChild?.dataset.at || "";
    const query = new URLSearchParams(location.search);
    query.set("since", since);
    const rows = await load(`/live/rows?${query}`, place);
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
  onQuiet("posts.scored", WAIT_MS, () => bring().catch(() => {}));
}
