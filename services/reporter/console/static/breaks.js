// A blank screen at any time; a break is offered after a while. What is counted stays in this tab.
import { onKey } from "./keys.js";

const SINCE = "ombud-since";
const HIGH = "ombud-high";
const MINUTE = 60_000;

function blank() {
  const dialog = document.getElementById("blank");
  document.getElementById("content").hidden = true;
  if (dialog.open) return;
  dialog.showModal();
  document.dispatchEvent(new CustomEvent("ombud:leave"));
  dialog.addEventListener("close", () => {
    rested(0);
    location.reload();
  }, { once: true });
}

/** Begin to count anew, as if there were `minutes` left until the next offer; 0: all of them. */
function rested(minutes, all = 0) {
  sessionStorage.setItem(SINCE, Date.now() - (minutes ? (all - minutes) * MINUTE : 0));
  sessionStorage.setItem(HIGH, 0);
}

function offer() {
  const place = document.querySelector("[data-break]");
  if (!place) return;
  const { after, high, snooze } = place.dataset;
  if (!sessionStorage.getItem(SINCE)) rested(0);
  const long = Date.now() - Number(sessionStorage.getItem(SINCE)) >= Number(after) * MINUTE;
  place.hidden = !(long || Number(sessionStorage.getItem(HIGH)) >= Number(high));
  place.querySelector("[data-blank-now]").onclick = blank;
  place.querySelector("[data-later]").onclick = () => {
    rested(Number(snooze), Number(after));
    place.hidden = true;
  };
}

export function startBreaks() {
  if (!document.getElementById("blank")) return;
  onKey("break", "b", blank);
  for (const each of document.querySelectorAll("[data-blank]")) {
    each.hidden = false;
    each.addEventListener("click", blank);
  }
  document.addEventListener("ombud:arrived", (event) => {
    if (event.detail.high) sessionStorage.setItem(HIGH, Number(sessionStorage.getItem(HIGH)) + 1);
    offer();
  });
  offer();
  setInterval(offer, MINUTE);
}
