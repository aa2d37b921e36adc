// A chart that one can look into: the same spec as the drawing, alive in the page, with numbers under the pointer.
// The library is made by the server at run time, and comes only when somebody asks for it.
import { announce } from "./prefs.js";

const HOST = "https://console.invalid";
const TIP = "vg-tooltip-element";
const COLOUR = /var\((--[\w-]+)\)/g;

/** What the page's own variables are just now; the library cannot read them. */
function resolved(text) {
  const probe = document.createElement("i");
  document.body.append(probe);
  const known = new Map();
  const made = text.replace(COLOUR, (whole, name) => {
    if (!known.has(name)) {
      probe.style.color = whole;
      known.set(name, getComputedStyle(probe).color);
    }
    return known.get(name);
  });
  probe.remove();
  return JSON.parse(made.replaceAll(`${HOST}/`, `${location.origin}/`));
}

/** No style attribute, as our policy has it, and no roles: what a chart says is said by the page around it. */
function plain(root) {
  const names = ["style", "role", "aria-label", "aria-roledescription"];
  const strip = () => {
    for (const name of names) for (const each of [root, ...root.querySelectorAll(`svg[${name}], svg [${name}]`)]) each.removeAttribute(name);
  };
  strip();
  new MutationObserver(strip).observe(root, { subtree: true, childList: true, attributes: true, attributeFilter: names });
}

async function upgrade(place) {
  const { picture, query } = place.dataset;
  const [answer] = await Promise.all([
    fetch(`${picture}.vl.json${query}`, { credentials: "same-origin" }),
    window.vegaEmbed || import(document.body.dataset.bundle),
  ]);
  if (!answer.ok) throw new Error("no chart");
  const spec = resolved(await answer.text());
  spec.config = { ...spec.config, aria: false };
  const decimal = document.documentElement.lang === "nl" ? { decimal: ",", thousands: ".", grouping: [3], currency: ["", ""] } : undefined;
  if (!document.getElementById(TIP)) {
    const tip = document.createElement("div");
    Object.assign(tip, { id: TIP, className: "vg-tooltip", ariaHidden: "true" });
    document.body.append(tip);
  }
  const box = document.createElement("div");
  box.className = "alive";
  await window.vegaEmbed(box, spec, {
    ast: true, actions: false, defaultStyle: false, renderer: "svg", formatLocale: decimal, tooltip: { disableDefaultStyle: true, theme: "own" },
  });
  plain(box);
  place.replaceChildren(box);
}

export function startExploring() {
  if (!document.body.dataset.bundle) return;
  for (const button of document.querySelectorAll("[data-explore]")) {
    const place = button.closest("section, .card").querySelector(`.chart[data-picture="${button.dataset.explore}"]`);
    if (!place) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      button.disabled = true;
      const before = [...place.childNodes];
      try {
        await upgrade(place);
        place.removeAttribute("tabindex");
        button.hidden = true;
        announce(button.dataset.done);
      } catch {
        place.replaceChildren(...before);
        button.disabled = false;
        announce(button.dataset.failed);
      }
    });
  }
}
