// The stream of newest posts: rows are made by the server, veiled; nothing moves while somebody reads.
import { load } from "./fragment.js";
import { onKey } from "./keys.js";
import { on } from "./sse.js";

const MOST = 200;
const GAP_MS = 80;
const TRIES = 8;

export function startLive() {
  const list = document.querySelector("[data-live-rows]");
  const button = document.querySelector("[data-pause]");
  if (!list || !button) return;
  const fresh = document.querySelector("[data-fresh]");
  const query = new URLSearchParams(location.search);
  const awaited = new Set();
  let following = false;
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
    if (paused || list.matches(":hover, :focus-within")) return false;
    missed = 0;
    fresh.hidden = true;
    const place = document.createElement("div");
    const since = list.firstElementChild?.dataset.at || "";
    const asked = new URLSearchParams(query);
    asked.set("since", since);
    const rows = await load(`/live/rows?${asked}`, place);
    const found = [...rows.children];
    for (const { dataset } of found) {
      list.querySelector(`[data-post="${dataset.post}"]`)?.remove();
      awaited.delete(dataset.post);
    }
    list.prepend(...found);
    while (list.children.length > MOST) list.lastElementChild.remove();
    document.querySelector("[data-waiting-for-posts]")?.setAttribute("hidden", "");
    return found.length > 0;
  }

  // an event may be heard before its post is in the tables that pages are made from
  async function follow(facts) {
    count(facts);
    if (comes(facts)) awaited.add(facts.post_id);
    if (following) return;
    following = true;
    for (let tries = 0; awaited.size && tries < TRIES; tries += 1) {
      if (await bring().catch(() => false)) tries = 0;
      if (awaited.size) await new Promise((done) => setTimeout(done, GAP_MS * (1 + tries)));
    }
    awaited.clear();
    following = false;
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
  on("posts.scored", follow);
}
