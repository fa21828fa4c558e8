// What a checkpoint answers, drawn: candidates, ACT steps as a film, search, adaptation, neighbours.

import { ask } from "../web/api.js";
import { showDigits, watchGrids } from "../web/grids.js";
import { icon } from "../web/icons.js";
import { counted, duration, percent, significant } from "../web/words.js";

const MAX_CELL = 28; // CSS pixels
const FILM = 450; // milliseconds for a step
const HOW_SURE = "halting probability";

/** An element with children: texts and elements. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((each) => each !== null && each !== ""));
  return made;
}

/** A grid with what stands below it; `against` marks the cells that differ. */
export function figure(digits, caption, { against = "", side = 112 } = {}) {
  const shapes = [digits, against].filter(Boolean).map((each) => each.split("/"));
  const rows = Math.max(1, ...shapes.map((each) => each.length));
  const columns = Math.max(1, ...shapes.map((each) => each[0].length));
  const cell = Math.min(MAX_CELL, Math.max(1, Math.floor(side / Math.max(rows, columns))));
  const image = element("img", { className: "grid", width: columns * cell + 1, height: rows * cell + 1, alt: [caption, shapeOf(digits)].filter(Boolean).join(", ") });
  Object.assign(image.dataset, { digits, cell, ...(against ? { against } : {}) });
  return element("figure", { className: "grid-figure is-bare" }, image, element("figcaption", { className: "small" }, caption));
}

function shapeOf(digits) {
  const rows = digits ? digits.split("/") : [];
  return rows.length ? `${rows.length}×${rows[0].length}` : "empty";
}

/** All that a finished play says, below `root`. */
export function showAnswers(root, play) {
  const several = play.answers.length > 1;
  root.replaceChildren(...play.answers.map((answer) => section(answer, play, several)), element("div", { id: "neighbours" }));
  showNeighbours(root, play);
  watchGrids(root);
}

/** The training tasks whose contexts lie nearest: they come a moment after the answer. */
export function showNeighbours(root, play) {
  const place = root.querySelector("#neighbours");
  if (!place) return;
  const found = play.neighbours;
  const words = found
    ? found.why_none || `Of ${counted(found.compared, "training task")}; 1 is the mean distance between two of them.`
    : "Comparing the context with those of training tasks…";
  place.replaceChildren(head("Nearest training tasks", words));
  if (!found?.nearest.length) return;
  place.append(element("ol", { className: "play-near" }, ...found.nearest.map((each) => {
    const path = `${encodeURIComponent(each.set)}/${encodeURIComponent(each.task_id)}`;
    const pictures = element("span", { className: "play-grids" });
    showPair(pictures, each);
    const link = element("a", { href: `/tasks/${path}`, title: `${each.task_id} of ${each.set}` }, pictures, element("span", { className: "mono small" }, each.task_id));
    return element("li", {}, link, element("span", { className: "small soft" }, `distance ${significant(each.distance, 2)}`));
  })));
}

/** The first demonstration of a training task; nothing where its set was removed. */
async function showPair(place, { set, task_id: id }) {
  const task = await ask(`/api/v1/sets/${set}/tasks/${encodeURIComponent(id)}`).catch(() => null);
  if (!task) return;
  const { input, output } = task.demonstrations[0];
  place.append(picture(input), icon("arrow"), picture(output));
  watchGrids(place);
}

function picture(digits) {
  const image = figure(digits, "", { side: 44 }).querySelector("img");
  image.alt = "";
  return image;
}

function section(answer, play, several) {
  const test = play.request.task.test?.[answer.test_index];
  const truth = test?.output ? test.output.map((row) => row.join("")).join("/") : "";
  const made = element("section", { className: "play-test", ariaLabel: `Test input ${answer.test_index + 1}` });
  if (several) made.append(element("h3", {}, `Test input ${answer.test_index + 1}`));
  if (answer.note) made.append(element("p", { className: "note" }, icon("info"), element("span", {}, sentence(answer.note))));
  made.append(candidates(answer, truth));
  if (answer.steps.length) made.append(film(answer.steps, truth));
  if (answer.by_dihedral.length > 1) made.append(symmetries(answer.by_dihedral));
  if (answer.adaptation) made.append(adaptation(answer.adaptation));
  if (answer.search) made.append(search(answer.search, truth));
  return made;
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

function head(title, words) {
  return element("div", { className: "section-head" }, element("h3", {}, title), element("span", { className: "small soft" }, words));
}

function candidates(answer, truth) {
  const shown = answer.candidates.map((each) => {
    const card = figure(each.grid, `Candidate ${each.rank}`, { against: truth, side: each.rank === 1 ? 220 : 112 });
    const votes = element("strong", {}, `${each.votes} of ${counted(answer.views, "view")}`);
    const bar = element("span", { className: "play-votes" }, element("span"));
    bar.firstChild.style.width = `${(100 * each.votes) / Math.max(1, answer.views)}%`;
    const rightness = each.correct ? element("span", { className: "is-good" }, icon("check"), " right") : each.failure_mode;
    card.querySelector("figcaption").replaceChildren(bar, votes, rightness ? element("span", { className: "grid-note" }, rightness) : "",
      element("span", { className: "soft grid-note" }, `${HOW_SURE} ${percent(each.confidence, 0)}`));
    card.classList.toggle("is-right", each.correct === true);
    return element("li", {}, card);
  });
  const list = element("ol", { className: "play-candidates" }, ...shown);
  return element("div", {}, head("Candidates by votes", answer.agreement === null ? "" : `${percent(answer.agreement, 0)} of the views agree on the first`), list);
}

/** The unchanged view, step by step, with a film that plays where motion is welcome. */
function film(steps, truth) {
  const last = steps.length;
  const large = figure(steps[last - 1].grid, "", { against: truth, side: 220 });
  large.querySelector("figcaption").remove();
  const caption = element("p");
  const scrubber = element("input", { type: "range", min: 1, max: last, value: last, ariaLabel: "ACT step" });
  const run = element("button", { type: "button", className: "button is-small" }, "Play");
  const chart = line("Halting probability by ACT step", steps.map((each) => each.halting_probability ?? 0), 1);
  const show = (at) => {
    const step = steps[at - 1];
    const rightness = step.correct === null ? "" : step.correct ? ", right" : `, ${percent(step.cell_accuracy, 0)} of cells right`;
    caption.textContent = `Step ${at} of ${last}: ${HOW_SURE} ${percent(step.halting_probability, 0)}${rightness}`;
    scrubber.value = at;
    scrubber.setAttribute("aria-valuetext", caption.textContent);
    chart.mark(last > 1 ? (at - 1) / (last - 1) : 1);
    fitted(large, step.grid, truth);
  };
  let timer;
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
    run.textContent = "Play";
  };
  run.addEventListener("click", () => {
    if (timer) return stop();
    let at = 1;
    show(at);
    run.textContent = "Stop";
    timer = setInterval(() => {
      at += 1;
      if (at > last || !run.isConnected) stop();
      else show(at);
    }, FILM);
  });
  scrubber.addEventListener("input", () => {
    stop();
    show(Number(scrubber.value));
  });
  show(last);
  const controls = element("div", { className: "play-controls" }, caption, element("div", { className: "play-row" }, run, scrubber), chart,
    element("p", { className: "small soft" }, `${HOW_SURE} by ACT step, 0 to 100\u202f%`));
  return element("div", {}, head("ACT steps", "the unchanged view, step by step"), element("div", { className: "play-film" }, large, controls));
}

/** Another grid in the place of one, which may have other sides. */
function fitted(shown, digits, truth) {
  const image = shown.querySelector("img");
  const next = figure(digits, "", { against: truth, side: 220 }).querySelector("img");
  image.width = next.width;
  image.height = next.height;
  image.dataset.cell = next.dataset.cell;
  showDigits(image, digits);
}

/** A curve from left to right over 0 to `most`; `mark(share)` puts its line there. */
function line(label, values, most) {
  const chart = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const part = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    chart.append(made);
    return made;
  };
  for (const [name, value] of Object.entries({ class: "halting", viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img", "aria-label": label })) {
    chart.setAttribute(name, value);
  }
  part("path", { class: "axis", d: "M0 2H100M0 20H100M0 38H100" });
  const now = part("line", { class: "now", x1: 0, x2: 0, y1: 0, y2: 40, visibility: "hidden" });
  const points = values.map((value, at) => `${values.length > 1 ? (at / (values.length - 1)) * 100 : 100},${38 - (value / (most || 1)) * 36}`);
  part("polyline", { points: points.join(" ") });
  chart.mark = (share) => {
    for (const name of ["x1", "x2"]) now.setAttribute(name, share * 100);
    now.setAttribute("visibility", "visible");
  };
  return chart;
}

function symmetries(rows) {
  const chips = rows.map((each) => {
    const agrees = each.agree === each.views;
    return element("li", { className: agrees ? "is-agreed" : "" }, agrees ? icon("check") : "", `${each.name} `, element("span", { className: "soft" }, `${each.agree}/${each.views}`));
  });
  return element("div", {}, head("Symmetries", "views that agree with the first candidate"), element("ul", { className: "play-symmetries small" }, ...chips));
}

function losses(label, points) {
  const known = points.map((each) => each.loss).filter((each) => each !== null);
  const most = Math.max(...known);
  const words = known.length ? `Loss on the demonstrations: ${significant(known[0])} to ${significant(known.at(-1))}` : "";
  return known.length ? element("figure", {}, element("figcaption", { className: "small" }, words), line(`${label}: ${words}`, known, most)) : null;
}

function adaptation(trace) {
  const words = `${trace.kind} · ${counted(trace.steps, "step")} · ${trace.learned.toLocaleString("en")} numbers learned · ${duration(trace.seconds)}`;
  return element("div", {}, head("Test-time training", words), losses("Test-time training", trace.points));
}

function search(trace, truth) {
  const made = element("div", {}, head("Search", `${counted(trace.decodes, "decode")} for all views · kept: step ${trace.kept_step}`), losses("Search", trace.points));
  const moments = trace.points.map((each) => {
    const shown = figure(each.grid, `${each.step} · ${significant(each.loss)}`, { against: truth, side: 76 });
    return element("div", { className: each.step === trace.kept_step ? "step is-kept" : "step" }, shown);
  });
  if (moments.length) made.append(element("div", { className: "step-strip" }, ...moments));
  return made;
}
