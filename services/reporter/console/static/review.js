// Deciding by keys, and holding the post that is open. Every act is a form of the page; without scripts its button does it.
import { send } from "./fragment.js";
import { onKey } from "./keys.js";

const RENEW_MS = 60_000;

function press(selector) {
  return () => document.querySelector(selector)?.click();
}

function keys() {
  for (const verdict of ["correct", "incorrect", "unsure"]) {
    const key = { correct: "1", incorrect: "2", unsure: "3" }[verdict];
    onKey(verdict, key, press(`article [data-verdict="${verdict}"]`));
  }
  onKey("undo", "z", press("[data-undo]"));
  onKey("next", "j", press("[data-next]"));
  onKey("previous", "k", press("[data-previous]"));
  onKey("reveal", " ", press("[data-reveal]"));
  onKey("start", "r", press("[data-start]"));
  onKey("boxes", "e", () => {
    const boxes = document.querySelector("[data-boxes]");
    if (!boxes) return;
    boxes.open = true;
    boxes.querySelector("input[type=checkbox]").focus();
  });
  document.querySelector("[data-boxes]")?.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches("input")) event.target.form.requestSubmit();
  });
}

function hold() {
  const form = document.querySelector("[data-lease]");
  if (!form) return;
  const renew = () => {
    if (!document.hidden) send(form).catch(() => {});
  };
  renew();
  setInterval(renew, RENEW_MS);
}

export function startReview() {
  if (!document.querySelector("[data-verdicts], [data-start]")) return;
  keys();
  hold();
}
