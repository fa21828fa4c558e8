// How grids look: palette, digits, and blinking between answer and truth.

import { currentDigits, currentPalette, setLook } from "./grids.js";

const BLINK = 700; // milliseconds

let blinking;

/** Let the controls say how grids look now. */
export function showLook(root) {
  const palette = root.querySelector("#palette");
  if (palette) palette.value = currentPalette();
  const digits = root.querySelector("#show-digits");
  if (digits) digits.checked = currentDigits();
}

/** A control that may be one of palette and digits was changed. */
export function lookChanged(input) {
  if (input.id === "palette") setLook({ palette: input.value });
  if (input.id === "show-digits") setLook({ digits: input.checked });
}

/** Alternate answers and truth; where motion is unwelcome, change once for each press. */
export function blink(button) {
  const on = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(on));
  clearInterval(blinking);
  setLook({ truth: on });
  if (!on || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  let truth = true;
  blinking = setInterval(() => {
    truth = !truth;
    setLook({ truth });
  }, BLINK);
}
