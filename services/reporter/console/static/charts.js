// A chart that was not ready when the page was made comes later; its marks are one stop of the Tab key and go by arrows.

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

function bring(place) {
  return fetch(place.dataset.chart, { credentials: "same-origin" })
    .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error("no chart"))))
    .then((text) => {
      const parsed = new DOMParser().parseFromString(text, "text/html").querySelector("svg");
      if (parsed) place.replaceChildren(document.adoptNode(parsed));
    })
    .catch(() => {});
}

/** The marks of a map from left to right, each column upwards. */
function marks(place) {
  const at = (mark) => mark.getBoundingClientRect();
  return [...place.querySelectorAll("svg a")].sort((one, other) => at(one).x - at(other).x || at(other).y - at(one).y);
}

function walk(place) {
  place.tabIndex = 0;
  place.addEventListener("keydown", (event) => {
    const all = marks(place);
    const now = all.indexOf(document.activeElement);
    const ends = { Home: 0, End: all.length - 1 };
    let next = ends[event.key];
    if (event.key in STEPS) next = now < 0 ? 0 : Math.min(Math.max(now + STEPS[event.key], 0), all.length - 1);
    if (event.key === "Escape" && now >= 0) place.focus();
    if (next === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    all[next]?.focus();
  });
  const readout = place.parentElement.querySelector("[data-readout]");
  const tell = (event) => {
    const words = event.target.closest("a")?.getAttribute("aria-label");
    if (readout && words) readout.textContent = words;
  };
  place.addEventListener("focusin", tell);
  place.addEventListener("mouseover", tell);
}

/** A press on a kind of the legend leaves its marks and fades the others; another press brings them back. */
function sift(button) {
  const place = button.closest("section").querySelector(".chart.linked");
  if (!place) return;
  button.disabled = false;
  button.addEventListener("click", () => {
    const only = place.dataset.only === button.dataset.only ? "" : button.dataset.only;
    place.dataset.only = only;
    for (const each of button.closest("ul").querySelectorAll("[data-only]")) {
      each.setAttribute("aria-pressed", String(each.dataset.only === only));
    }
  });
}

export function startCharts() {
  for (const place of document.querySelectorAll("[data-chart]")) bring(place);
  for (const place of document.querySelectorAll(".chart.linked")) walk(place);
  for (const button of document.querySelectorAll("[data-only]")) if (button.matches("button")) sift(button);
}
