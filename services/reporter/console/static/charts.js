// A chart that was not ready when the page was made comes later, into the place that was kept for it.

export function startCharts() {
  for (const place of document.querySelectorAll("[data-chart]")) {
    fetch(place.dataset.chart, { credentials: "same-origin" })
      .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error("no chart"))))
      .then((text) => {
        const parsed = new DOMParser().parseFromString(text, "text/html").querySelector("svg");
        if (parsed) place.replaceChildren(document.adoptNode(parsed));
      })
      .catch(() => {});
  }
}
