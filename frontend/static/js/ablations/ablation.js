// The page of an ablation: live while its evaluations are.

import { followRuns, refresh, throttled } from "../web/live.js";
import { attempt } from "../web/notices.js";

const EVERY = 1500; // milliseconds between two looks at the server
const root = document.getElementById("ablation");
const renew = throttled(() => attempt(refresh), EVERY);

if (root.dataset.active) followRuns(({ id }) => id === root.dataset.run && renew(), renew);
