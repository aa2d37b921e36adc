// What changes in place: an element that names its own address is fetched anew when something happened, and every so
// many seconds, as the element that is there then says, unless somebody is in it.
import { load } from "./fragment.js";
import { onQuiet } from "./sse.js";

const WAIT_MS = 1000;

function used(place) {
  return document.hidden || place.contains(document.activeElement) || place.querySelector("details[open]");
}

export function startRefresh() {
  for (const found of document.querySelectorAll("[data-refresh]")) {
    let place = found;
    const { refresh, refreshOn } = found.dataset;
    const again = async () => {
      try {
        place = await load(refresh, place);
      } catch { /* the next time tries again */ }
    };
    const later = () => {
      const seconds = Number(place.dataset.refreshEvery);
      if (seconds) setTimeout(async () => { if (!used(place)) await again(); later(); }, 1000 * seconds);
    };
    if (refreshOn) onQuiet(refreshOn, WAIT_MS, again);
    later();
  }
}
