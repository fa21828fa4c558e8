// A shared dashboard: charts that answer, and a look at the server while runs are active.

import { Board } from "../charts/board.js";
import { offerPaper } from "../charts/export.js";
import { exportPanels } from "./panel_export.js";

const RENEW_EVERY = 20_000; // milliseconds

const root = document.getElementById("dashboard");
const { name, address, goesOn } = root.dataset;
const board = new Board(root, {
  name,
  figures: `${address}/figures`,
  figure: (panel) => `${address}/panels/${panel}/figure`,
  csv: `${address}/series.csv`,
});
exportPanels(root, (panel) => `${address}/panels/${panel}.csv`, (panel) => `${address}/panels/${panel}`);
offerPaper(document.getElementById("paper"), `${address}/paper`, () => board);
if (goesOn === "1") setInterval(() => !document.hidden && renew(), RENEW_EVERY);

/** Newer curves; once the link is revoked, the page that says so. */
async function renew() {
  const answer = await fetch(`${address}/series?names=`).catch(() => null);
  if (answer?.status === 404) location.reload();
  else board.reload();
}
