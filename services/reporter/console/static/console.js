// What every page loads. Each module looks for its own marks in the page and does nothing without them.
import { startCharts } from "./charts.js";
import { startAudits } from "./audits.js";
import { startBreaks } from "./breaks.js";
import { startExploring } from "./explore.js";
import { startKeys } from "./keys.js";
import { startLists } from "./lists.js";
import { startLive } from "./live.js";
import { startPrefs } from "./prefs.js";
import { startPresence } from "./presence.js";
import { startRefresh } from "./refresh.js";
import { startReview } from "./review.js";
import { startEvents } from "./sse.js";
import { startTrying } from "./trying.js";

startKeys();
startPrefs();
startRefresh();
startCharts();
startExploring();
startLive();
startTrying();
startPresence();
startBreaks();
startReview();
startLists();
startEvents();
startAudits();
