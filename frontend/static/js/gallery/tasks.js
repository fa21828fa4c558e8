// The task browser: thumbnails page by page, the filter in the address.

import { Endless, keepPlace } from "../web/endless.js";
import { watchGrids } from "../web/grids.js";

const TYPING = 500; // milliseconds after the last key

function start() {
  const form = document.getElementById("tasks-filter");
  if (!form) return;
  const endless = new Endless("tiles", () => watchGrids(document));
  watchGrids(document);
  endless.watch();
  keepPlace(endless, ".tile");
  let typing;
  const go = () => {
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value.trim()));
    location.assign(`/tasks?${query}`);
  };
  form.addEventListener("change", (event) => event.target.matches("select") && go());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go();
  });
  form.addEventListener("input", (event) => {
    if (!event.target.matches("input")) return;
    clearTimeout(typing);
    typing = setTimeout(go, TYPING);
  });
  // Typing continues where it stopped after the page is reloaded.
  const text = form.elements.task;
  if (text.value && !history.state?.count) {
    text.focus();
    text.setSelectionRange(text.value.length, text.value.length);
  }
}

start();
