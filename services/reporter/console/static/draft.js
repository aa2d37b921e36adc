// The draft of a report saves itself: a moment after typing stops, and before the page is left for anything else.
import { newId } from "./fragment.js";
import { announce } from "./prefs.js";

const WAIT_MS = 1000;
const AGAIN_MS = 5000;
const NOT_WRITTEN = ["csrf", "command_id", "version", "drop"];
const KEPT_ALIVE = 60_000;
const find = (selector) => document.querySelector(selector);

/** Show one of the states whose words stand in the page. */
function say(state) {
  const form = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const time = new Intl.DateTimeFormat(document.documentElement.lang, form).format();
  for (const place of document.querySelectorAll("[data-saves]")) {
    place.dataset.state = state;
    place.textContent = place.dataset[state].replace("{time}", time);
  }
  if (state !== "saving" && state !== "saved") announce(find("[data-saves]").textContent);
}

/** Let every form of the page speak of the version that is saved now. */
function versions(number) {
  for (const field of document.querySelectorAll("input[name=version]")) field.value = number;
}

function lacking(reasons) {
  const place = find("[data-lacks]");
  place.querySelector("ul").replaceChildren(...reasons.map((reason) => {
    const line = document.createElement("li");
    line.dataset.lack = reason;
    line.textContent = place.getAttribute(`data-${reason}`);
    return line;
  }));
  place.hidden = !reasons.length;
  find("[data-onward]").classList.toggle("main", !reasons.length);
}

const posts = (part) => [...part.querySelectorAll("input[name=post]")].map((each) => each.value).join();

export function startDraft() {
  const form = find("form[data-draft]");
  if (!form) return;
  let [timer, flight, pending, stopped, through] = [0, null, null, Boolean(find("[data-theirs]")), false];
  let kept = written();

  /** What a save sends. Posts are taken out by the button only. */
  function written() {
    const body = new URLSearchParams(new FormData(form));
    for (const name of NOT_WRITTEN) body.delete(name);
    return body.toString();
  }

  const dirty = () => !stopped && (pending || written() !== kept);

  function soon(wait = WAIT_MS) {
    clearTimeout(timer);
    timer = setTimeout(save, wait);
  }

  function save() {
    clearTimeout(timer);
    flight ||= send().finally(() => { flight = null; });
    return flight;
  }

  /** What got no answer goes again as it was, under its own id, before anything newer does. */
  async function send() {
    if (!dirty()) return;
    pending ||= { words: written(), id: newId() };
    const body = new URLSearchParams(pending.words);
    const fields = new FormData(form);
    for (const name of ["csrf", "version"]) body.set(name, fields.get(name));
    body.set("command_id", pending.id);
    body.set("auto", "yes");
    say("saving");
    let answer;
    try {
      const keepalive = body.toString().length < KEPT_ALIVE;
      answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { "X-Fragment": "yes" }, credentials: "same-origin", keepalive });
      const clashed = answer.status === 409 && answer.headers.get("Content-Type").includes("html");
      if (clashed) return clash(await answer.text());
      if (answer.status >= 500 || answer.status === 409 || answer.status === 429) throw new Error("later");
    } catch {
      say("failed");
      return soon(AGAIN_MS);
    }
    const words = pending.words;
    pending = null;
    stopped = !answer.ok;
    if (stopped) return say("refused");
    const facts = await answer.json();
    kept = words;
    versions(facts.version);
    lacking(facts.lacks);
    say("saved");
    if (written() !== kept) soon();
  }

  /** Somebody saved in between: what is typed stays as it is, theirs stands above it, and the person decides. */
  function clash(text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    form.before(document.adoptNode(page.querySelector("[data-theirs]")));
    versions(page.querySelector("input[name=version]").value);
    const theirs = page.querySelector("form [aria-labelledby=evidence]");
    if (posts(theirs) !== posts(form)) form.querySelector("[aria-labelledby=evidence]").replaceWith(document.adoptNode(theirs));
    [pending, stopped] = [null, true];
    say("clash");
  }

  /** Do what was asked for once what is typed is saved, or once it is clear that it is not. */
  async function after(event, act) {
    event.preventDefault();
    await save();
    if (stopped || pending || (event.target !== form && dirty())) return;
    through = true;
    act();
    through = false;
  }

  form.addEventListener("input", () => { if (!stopped) soon(); });
  document.addEventListener("submit", (event) => {
    if (through || event.defaultPrevented) return;
    clearTimeout(timer);
    const { target, submitter } = event;
    // the form itself takes along what is typed, but not while a save of it is under way
    if (target === form ? flight || pending : dirty()) after(event, () => target.requestSubmit(submitter));
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    const elsewhere = event.ctrlKey || event.metaKey || event.shiftKey || link?.getAttribute("href").startsWith("#");
    if (link && !through && !elsewhere && dirty()) after(event, () => link.click());
  });
  addEventListener("pagehide", save);
}
