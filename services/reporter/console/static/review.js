// One post after the other, without loading pages: keys wait in a line, each act is a form of the page sent by fetch, and
// the answer takes the place of the post. What could not be saved is kept, id and value only, and sent once later.
import { load, newId } from "./fragment.js";
import { label, onKey } from "./keys.js";
import { onQuiet } from "./sse.js";

const RENEW_MS = 60_000;
const SAVING_MS = 150;
const AGAIN_MS = 5_000;
const GIVE_UP_MS = 15_000;
const KEPT = "ombud-unsent";
const OF_VERDICTS = ["verdict", "seen_version", "boxes", "category"];
const KEYS = { correct: "1", incorrect: "2", unsure: "3" };
const line = [];
let busy = false;

const find = (selector) => document.querySelector(selector);
const page = () => find("[data-focus]");
const kept = () => JSON.parse(sessionStorage.getItem(KEPT) || "null");
const show = (selector, there) => document.querySelectorAll(selector).forEach((each) => { each.hidden = !there; });

/** Let acts happen one after the other, each on the post that is open by then. */
async function soon(act) {
  line.push(act);
  if (busy) return;
  busy = true;
  while (line.length) {
    try {
      await line.shift()();
    } catch {
      line.length = 0;
      show("[data-not-done]", !kept());
    }
  }
  busy = false;
}

async function ask(url, body) {
  const options = { headers: { "X-Fragment": "yes" }, credentials: "same-origin", signal: AbortSignal.timeout(GIVE_UP_MS) };
  const answer = await fetch(url, body ? { ...options, method: "POST", body } : options);
  if (answer.headers.get("Content-Type")?.includes("html")) return { html: await answer.text() };
  const facts = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(facts.reason), { status: answer.status, reason: facts.reason });
  return facts;
}

/** Put what was answered where the post was; an answer that is no post leads to another page. */
function take(answer, push = true) {
  if (!answer.html) {
    location.assign(answer.location);
    return;
  }
  const fresh = document.adoptNode(new DOMParser().parseFromString(answer.html, "text/html").querySelector("[data-focus]"));
  if (fresh.dataset.focus !== page().dataset.focus) leave();
  page().replaceWith(fresh);
  label(fresh);
  document.title = fresh.dataset.title;
  const count = find("[data-waiting]:not([data-focus])");
  if (count) count.textContent = fresh.dataset.waiting;
  if (push && fresh.dataset.url !== location.pathname + location.search) history.pushState(null, "", fresh.dataset.url);
  arrive();
}

/** `loaded`: with a page of its own, and the one before it may have given the post back only just now. */
function arrive(loaded = false) {
  show("[data-scripted]", true);
  const place = find("[data-conflict]") || find("[data-card]");
  place?.focus({ preventScroll: true });
  place?.scrollIntoView({ block: "nearest" });
  if (loaded || !find("[data-mine]")) hold();
  document.dispatchEvent(new CustomEvent("ombud:arrived", { detail: page().dataset }));
}

/** Everything of the page that a form needs besides what it says itself. */
function around(fields) {
  const any = page().querySelector("form[method=post]");
  const body = new URLSearchParams(fields);
  for (const name of ["csrf", "query", "back"]) {
    const value = any?.elements[name]?.value;
    if (value !== undefined && !body.has(name)) body.set(name, value);
  }
  return body;
}

function decide(form, button) {
  const url = form.getAttribute("action");
  const fields = [...new FormData(form, button)].filter(([name]) => OF_VERDICTS.includes(name));
  const before = kept();
  const same = before?.url === url && before.fields.slice(0, -1).join() === fields.join();
  return deliver(same ? before : { url, fields: [...fields, ["command_id", newId()]] });
}

async function deliver(said) {
  const body = around(said.fields);
  const here = said.url.includes(`/${page().dataset.focus}/`);
  if (!here) body.set("back", "list");
  const late = setTimeout(() => show("[data-saving]", true), SAVING_MS);
  try {
    const answer = await ask(said.url, body);
    sessionStorage.removeItem(KEPT);
    if (here) {
      find("[data-lease]")?.remove();
      take(answer);
    } else show("[data-not-saved]", false);
  } catch (error) {
    const refused = error.status >= 400 && error.status < 500 && error.status !== 429 && error.reason !== "in_flight";
    if (refused) {
      sessionStorage.removeItem(KEPT);
      location.reload();
    } else {
      sessionStorage.setItem(KEPT, JSON.stringify(said));
      tell(said);
    }
    throw error;
  } finally {
    clearTimeout(late);
    show("[data-saving]", false);
  }
}

function tell(said) {
  const verdict = said.fields.find(([name]) => name === "verdict")[1];
  for (const each of document.querySelectorAll("[data-not-saved]")) each.hidden = each.dataset.notSaved !== verdict;
}

function again() {
  const said = kept();
  if (said && !busy) soon(() => deliver(said));
}

function act(form, button) {
  if (!form.isConnected) return undefined;
  show("[data-not-done]", false);
  if (form.action.endsWith("/reviews")) return decide(form, button);
  const body = new URLSearchParams(new FormData(form, button));
  body.set("command_id", newId());
  if (form.matches("[data-leaves]")) leave();
  return ask(form.getAttribute("action"), body).then((answer) => take(answer));
}

async function go(url, push = true) {
  take(await ask(url), push);
}

/** Once the tables heard of the last verdict, show it beside the post, and leave the post alone. */
async function catchUp() {
  const { catchUp: url, focus } = page().dataset;
  if (!url) return;
  const answer = await ask(url);
  const fresh = new DOMParser().parseFromString(answer.html, "text/html").querySelector("[data-focus]");
  if (page().dataset.focus !== focus || fresh.dataset.catchUp) return;
  delete page().dataset.catchUp;
  label(fresh);
  for (const part of ["[data-last]", ".rail"]) find(part).replaceWith(document.adoptNode(fresh.querySelector(part)));
}

/** Do what a button or link of the post does, in its turn. */
function press(selector) {
  return () => soon(() => {
    const found = find(selector);
    if (!found) return undefined;
    if (!found.closest("[data-focus]")) return found.click();
    if (found.matches("[data-verdict=incorrect]")) return correct(true);
    if (pending() && found.matches("[data-verdict]")) return undefined;
    return found.form ? act(found.form, found) : go(found.href);
  });
}

const pending = () => find("[data-boxes][data-pending]");

/** Open the boxes; `incorrect`: the verdict is given already, and saved without them if nobody uses them. */
function correct(incorrect) {
  const boxes = find("[data-boxes]");
  if (!boxes) return undefined;
  if (incorrect && boxes.open && pending()) return without();
  boxes.open = true;
  boxes.toggleAttribute("data-pending", incorrect || Boolean(pending()));
  boxes.querySelector("input[type=checkbox]").focus();
  return undefined;
}

/** Open what is folded and go to its first field. */
function unfold(selector) {
  const folded = find(selector);
  if (!folded) return false;
  folded.open = true;
  return folded.querySelector("textarea, select, button").focus();
}

function without() {
  const button = find("[data-card] [data-verdict=incorrect]");
  return act(button.form, button);
}

function inBoxes(event) {
  const boxes = event.target.closest("[data-boxes]");
  if (event.key === "Enter" && event.target.matches("input[type=checkbox]")) {
    event.preventDefault();
    event.target.form.requestSubmit();
  } else if (event.key === "Escape" && boxes.open) {
    event.stopPropagation();
    if (pending()) soon(without);
    else {
      boxes.open = false;
      boxes.querySelector("summary").focus();
    }
  }
}

function hold() {
  const form = find("[data-lease]:not([data-left])");
  if (form && !document.hidden) ask(form.getAttribute("action"), new URLSearchParams(new FormData(form))).catch(() => {});
}

/** Give the post back that is open: once, and it is not taken again while a blank screen hides it. */
function leave() {
  const form = find("[data-lease]:not([data-left])");
  form?.toggleAttribute("data-left", true);
  if (form) navigator.sendBeacon(`${form.getAttribute("action")}/release`, new URLSearchParams(new FormData(form)));
}

/** What is folded comes when it is opened for the first time. */
function unfolded(event) {
  const { load: url } = event.target.dataset;
  if (!event.target.open || !url) return;
  delete event.target.dataset.load;
  load(url, event.target.querySelector("[data-loaded]")).catch(() => { event.target.dataset.load = url; });
}

function listen() {
  document.addEventListener("toggle", unfolded, true);
  document.addEventListener("submit", (event) => {
    const { target: form, submitter } = event;
    if (!form.closest("[data-focus]") || form.method !== "post") return;
    event.preventDefault();
    if (submitter?.matches("[data-verdict=incorrect]")) correct(true);
    else soon(() => act(form, submitter));
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-focus] :is([data-move], [data-reveal])");
    if (event.target.closest("[data-without]")) soon(without);
    if (!link?.href || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    soon(() => link.isConnected && go(link.href));
  });
  document.addEventListener("keydown", (event) => { if (event.target.closest("[data-boxes]")) inBoxes(event); });
  addEventListener("popstate", () => soon(() => go(location.href, false)));
  addEventListener("pagehide", leave);
  addEventListener("online", again);
  document.addEventListener("visibilitychange", hold);
  document.addEventListener("ombud:leave", leave);
  onQuiet("posts.corrected", SAVING_MS, () => catchUp().catch(() => {}));
  setInterval(hold, RENEW_MS);
  setInterval(again, AGAIN_MS);
}

export function startReview() {
  onKey("start", "r", press("[data-start]"));
  onKey("undo", "z", press("[data-undo]"));
  if (!page()) return;
  for (const [verdict, key] of Object.entries(KEYS)) onKey(verdict, key, press(`[data-card] [data-verdict="${verdict}"]`));
  onKey("next", "j", press("[data-next]"));
  onKey("previous", "k", press("[data-previous]"));
  onKey("hand-over", "h", () => unfold("[data-hand-over]"));
  onKey("original", "o", () => find("[data-original]")?.click());
  onKey("note", "n", () => unfold("[data-note]"));
  onKey("boxes", "e", () => soon(() => correct(false)));
  const reveal = press("[data-reveal]");
  onKey("reveal", " ", () => document.activeElement?.matches("[data-card]") && void reveal());
  const next = press("[data-reveal-next]");
  onKey("reveal-next", "shift+space", () => document.activeElement?.matches("[data-card]") && void next());
  listen();
  arrive(true);
  again();
}
