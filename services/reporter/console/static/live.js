// The stream of newest posts: rows are made by the server, veiled; nothing moves while somebody reads.
// Of the tabs that show the same posts one asks for rows and hands them to the others: twenty open tabs ask once.
import { element, text } from "./fragment.js";
import { onKey } from "./keys.js";
import { on } from "./sse.js";

const MOST = 200;
const GAP_MS = 80;
const TRIES = 12;

export function startLive() {
  const list = document.querySelector("[data-live-rows]");
  const button = document.querySelector("[data-pause]");
  if (!list || !button) return;
  const fresh = document.querySelector("[data-fresh]");
  const query = new URLSearchParams(location.search);
  const view = `ombud-live?${query}`;
  const channel = "BroadcastChannel" in window && navigator.locks ? new BroadcastChannel(view) : null;
  let leads = !channel;
  let newest = list.firstElementChild?.dataset.at || "";
  let heard = "";
  let awaited = "";
  let following = false;
  let paused = false;
  let missed = 0;

  // an event does not say which categories a post has: then there is no number
  const words = () => query.get("category") ? "some" : missed === 1 ? "one" : "more";
  const comes = (facts) => (facts.overall ?? 1) >= Number(query.get("min")) && (facts.flagged || !query.get("type"));
  const shown = (post) => list.querySelector(`[data-post="${CSS.escape(post)}"]`);
  const read = () => paused || list.matches(":hover, :focus-within");

  function count(facts) {
    if (!comes(facts) || shown(facts.post_id)) return; // a page may hear again of what it was made with
    missed += 1;
    fresh.textContent = fresh.dataset[words()].replace("{count}", missed);
    fresh.hidden = !read();
  }

  function put(html) {
    const found = [...element(html).children];
    missed = 0;
    fresh.hidden = true;
    if (!found.length) return;
    for (const { dataset } of found) shown(dataset.post)?.remove();
    list.prepend(...found);
    while (list.children.length > MOST) list.lastElementChild.remove();
    document.querySelector("[data-waiting-for-posts]")?.setAttribute("hidden", "");
  }

  function rows(since, post) {
    const asked = new URLSearchParams(query);
    asked.set("since", since);
    if (post) asked.set("post", post);
    return text(`/live/rows?${asked}`);
  }

  async function bring() {
    if (read()) return;
    missed = 0;
    fresh.hidden = true;
    put(await rows(list.firstElementChild?.dataset.at || ""));
  }

  // an event may be heard before its post is in the tables that pages are made from: the server waits a little for it,
  // and we ask until we have seen it; with a category we cannot know whether it comes
  async function follow() {
    for (let tries = 0; awaited && tries < TRIES; tries += 1) {
      const post = awaited;
      const html = await rows(newest, post).catch(() => "");
      if (html) {
        const found = element(html);
        newest = found.firstElementChild?.dataset.at || newest;
        const seen = shown(post) || found.querySelector(`[data-post="${CSS.escape(post)}"]`);
        const over = seen || ("there" in found.dataset && query.get("category"));
        if (over) tries = -1; // the next one gets as many
        if (over && awaited === post) awaited = "";
        if (!read()) put(html);
        channel?.postMessage(html);
      }
      if (awaited === post) await new Promise((done) => setTimeout(done, GAP_MS * (1 + tries)));
    }
    awaited = "";
  }

  function hear(facts) {
    count(facts);
    if (!comes(facts)) return;
    heard = facts.post_id;
    if (leads) wait();
  }

  function wait() {
    awaited = heard;
    if (following) return;
    following = true;
    follow().finally(() => { following = false; });
  }

  function toggle() {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    if (!paused) bring();
  }

  function lead() {
    leads = true;
    newest = list.firstElementChild?.dataset.at || newest;
    wait(); // for what came while nobody led
    return new Promise(() => {});
  }

  button.hidden = false;
  button.addEventListener("click", toggle);
  list.addEventListener("mouseleave", () => { if (missed) bring(); });
  onKey("pause", "p", toggle);
  on("posts.scored", hear);
  if (!channel) return;
  channel.onmessage = (event) => { if (!leads && !read()) put(event.data); };
  navigator.locks.request(view, lead);
  bring();
}
