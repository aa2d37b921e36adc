// Fetch a fragment, replace an element: all that a framework would be here for.

const HEADER = { "X-Fragment": "yes" };

/** Return the id of a new command. */
export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, "0")).join("");
}

/** Return the markup at `url`; throws an Error with `status` where there is none. */
export async function text(url) {
  const answer = await fetch(url, { headers: HEADER, credentials: "same-origin" });
  if (!answer.ok) throw Object.assign(new Error("refused"), { status: answer.status });
  return answer.text();
}

/** Return the element that a fragment is. */
export function element(html) {
  return document.adoptNode(new DOMParser().parseFromString(html, "text/html").body.firstElementChild);
}

/** Replace `target` by the fragment at `url`; throws an Error with `status` where there is none. */
export async function load(url, target) {
  return put(await fetch(url, { headers: HEADER, credentials: "same-origin" }), target);
}

/** Send a form as the browser would and return what was answered: JSON, or the element put into `target`. */
export async function send(form, target, more = {}) {
  const body = new URLSearchParams(new FormData(form));
  for (const [name, value] of Object.entries(more)) body.set(name, value);
  const url = form.getAttribute("action");
  const answer = await fetch(url, { method: "POST", body, headers: HEADER, credentials: "same-origin" });
  if (answer.headers.get("Content-Type")?.includes("json")) return json(answer);
  return put(answer, target);
}

async function json(answer) {
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.reason), { status: answer.status, body });
  return body;
}

async function put(answer, target) {
  if (!answer.ok) throw Object.assign(new Error("refused"), { status: answer.status });
  const fresh = element(await answer.text());
  target.replaceWith(fresh);
  return fresh;
}
