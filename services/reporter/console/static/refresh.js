// Numbers that change in place: an element that names its own address is fetched anew when something happened.
import { load } from "./fragment.js";
import { onQuiet } from "./sse.js";

const WAIT_MS = 1000;

export function startRefresh() {
  for (const found of document.querySelectorAll("[data-refresh]")) {
    let place = found;
    const { refresh, refreshOn, refreshEvery } = found.dataset;
    const again = async () => {
      try {
        place = await load(refresh, place);
      } catch { /* the next event tries again */ }
    };
    onQuiet(refreshOn, WAIT_MS, again);
    if (refreshEvery) setInterval(() => { if (!document.hidden) again(); }, 1000 * refreshEvery);
  }
}
