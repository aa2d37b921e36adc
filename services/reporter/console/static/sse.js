// What happens, as it happens. One stream per browser: a leader holds a lock and tells the other tabs.
// Without locks (outside a secure context) each tab has a stream of its own.

const SILENT_MS = 45000;
const TYPES = ["posts.scored", "posts.status_changed", "posts.corrected", "posts.deleted", "models.promoted", "reports.completed", "reports.submitted", "held"];
const pill = document.querySelector("[data-pill]");
const channel = "BroadcastChannel" in window ? new BroadcastChannel("ombud-events") : null;
let heard = Date.now();
let behind = null;

/** Call `act(facts)` for each event of a type; several types may be given, separated by spaces. */
export function on(types, act) {
  for (const type of types.split(" ")) document.addEventListener(`ombud:${type}`, (event) => act(event.detail, type));
}

/** Call `act` when events of these types have come, once for all that come within a moment. */
export function onQuiet(types, wait, act) {
  let timer = 0;
  on(types, () => { timer ||= setTimeout(() => { timer = 0; act(); }, wait); });
}

function show() {
  if (!pill) return;
  const late = Date.now() - heard > SILENT_MS;
  const state = late ? "reconnecting" : behind ? "behind" : "live";
  const since = new Date(late ? heard : behind || heard);
  const time = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" }).format(since);
  const words = pill.dataset[state].replace("{time}", time);
  if (pill.dataset.state !== state || pill.textContent !== words) {
    pill.dataset.state = state;
    pill.textContent = words;
  }
  pill.hidden = false;
}

function take(type, facts) {
  heard = Date.now();
  if (type === "beat") behind = facts.behind;
  else document.dispatchEvent(new CustomEvent(`ombud:${type}`, { detail: facts }));
  show();
}

function follow() {
  const after = document.body.dataset.position;
  const source = new EventSource(`/events?after=${encodeURIComponent(after)}`);
  for (const type of [...TYPES, "beat"]) {
    source.addEventListener(type, (event) => {
      const facts = JSON.parse(event.data);
      take(type, facts);
      channel?.postMessage({ type, facts });
    });
  }
  source.addEventListener("gap", () => {
    source.close();
    if (sessionStorage.getItem("gap") === after) return;
    sessionStorage.setItem("gap", after);
    location.reload();
  });
  addEventListener("pagehide", () => source.close());
}

export function startEvents() {
  if (!document.body.dataset.position) return;
  show();
  setInterval(show, 5000);
  if (channel) channel.onmessage = (event) => take(event.data.type, event.data.facts);
  if (channel && navigator.locks) navigator.locks.request("ombud-events", () => new Promise(() => follow()));
  else follow();
}
