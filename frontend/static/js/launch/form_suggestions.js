// Known names as buttons below an input that takes a list of them.

import { asText, itemsOf } from "../web/lists.js";

/** Put the buttons below every such input of the form. */
export function offerSuggestions(form) {
  for (const input of form.querySelectorAll("[data-suggests]")) {
    const names = [...document.getElementById(input.dataset.suggests).options].map((option) => option.value);
    const offers = Object.assign(document.createElement("div"), { className: "suggestions" });
    offers.append(...names.map((name) => offer(name, namesIn(input).includes(name))));
    input.closest(".control").append(offers);
  }
}

/** A button was pressed: put its name in or take it out. Returns the input. */
export function take(button) {
  const input = button.closest(".control").querySelector("[data-type]");
  const name = button.dataset.suggestion;
  const names = namesIn(input);
  const next = names.includes(name) ? names.filter((each) => each !== name) : [...names, name];
  input.value = asText(next, true);
  button.setAttribute("aria-pressed", String(next.includes(name)));
  return input;
}

function offer(name, pressed) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
  button.dataset.suggestion = name;
  button.setAttribute("aria-pressed", String(pressed));
  return button;
}

function namesIn(input) {
  return itemsOf(input.value, true);
}
