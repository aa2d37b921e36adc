// What every page loads. Each module looks for its own marks in the page and does nothing without them.
import { startKeys } from "./keys.js";
import { startPrefs } from "./prefs.js";

startKeys();
startPrefs();
