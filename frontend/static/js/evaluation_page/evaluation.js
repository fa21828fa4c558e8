// The page of one evaluation: live while it is active, its candidates as one scrolls.

import { Stream, refresh, throttled } from "../web/live.js";
import { attempt } from "../web/notices.js";
import { Predictions } from "../run_page/predictions.js";

const EVERY = 1000; // milliseconds between two looks at the server
const root = document.getElementById("evaluation-page");
const predictions = new Predictions(document.getElementById("predictions"));
predictions.open();

const renew = throttled(() => attempt(async () => {
  await refresh();
  predictions.changedOnServer();
}), EVERY);

if (root.dataset.active) {
  const stream = new Stream(
    () => `/api/v1/evaluations/${root.dataset.evaluation}/events`,
    {
      evaluation: renew,
      end: () => {
        stream.end();
        renew();
      },
    },
  );
}

document.addEventListener("click", (event) => {
  const mode = event.target.closest("[data-mode]");
  if (!mode) return;
  event.preventDefault();
  predictions.choose(root.dataset.evaluation, mode.dataset.mode);
  document.getElementById("predictions").scrollIntoView();
});

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "b") document.getElementById("blink").click();
});
