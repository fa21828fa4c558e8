// One task: its grids, blinking, and the keys that lead to its neighbours.

import { given, say } from "../web/address.js";
import { showDigits, watchGrids } from "../web/grids.js";
import { blink, lookChanged, showLook } from "../web/look.js";

const KEYS = { j: "behind", k: "before", b: "blink" };

showLook(document);
watchGrids(document);
document.addEventListener("change", (event) => lookChanged(event.target));
document.getElementById("blink")?.addEventListener("click", (event) => blink(event.currentTarget));
watchSteps();
document.addEventListener("keydown", (event) => {
  const field = event.target.matches("input:not([type=checkbox]), select, textarea");
  if (field || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key in KEYS) document.getElementById(KEYS[event.key])?.click();
});

/** The scrubber over ACT steps: one large grid, and the step it stands for. */
function watchSteps() {
  const scrubber = document.getElementById("scrubber");
  if (!scrubber) return;
  const figures = [...document.querySelectorAll("[data-step]")];
  const large = document.querySelector("#step-grid img.grid");
  const show = () => {
    const figure = figures.find((each) => each.dataset.step === scrubber.value);
    for (const each of figures) each.toggleAttribute("aria-current", each === figure);
    showDigits(large, figure.querySelector("img.grid").dataset.digits);
    large.alt = figure.dataset.said;
    document.getElementById("step-said").textContent = figure.dataset.said;
    document.getElementById("step-line").setAttribute("x1", figure.dataset.at);
    document.getElementById("step-line").setAttribute("x2", figure.dataset.at);
    scrubber.setAttribute("aria-valuetext", figure.dataset.said);
    figure.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  scrubber.addEventListener("input", () => {
    show();
    say({ step: scrubber.value });
  });
  for (const each of figures) {
    each.addEventListener("click", () => {
      scrubber.value = each.dataset.step;
      scrubber.dispatchEvent(new Event("input"));
    });
  }
  const asked = given("step");
  if (figures.some((each) => each.dataset.step === asked)) scrubber.value = asked;
  const top = scrollY;
  show();
  scrollTo(0, top);
}
