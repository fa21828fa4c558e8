// The map of contexts: all steps are here already, so that scrubbing asks for nothing.

import { Between } from "./between.js";

const BEAT = 180; // milliseconds of a step that plays
const NO_VALUE = "–";

class Atlas {
  constructor(root) {
    this.root = root;
    this.data = JSON.parse(root.dataset.all);
    for (const run of this.data.runs) run.places = run.positions.map(unpacked);
    this.slider = document.getElementById("atlas-step");
    this.colour = document.getElementById("atlas-colour");
    this.task = document.getElementById("atlas-task");
    this.button = document.getElementById("atlas-play");
    this.now = document.getElementById("atlas-now");
    this.map = document.getElementById("atlas-map");
    this.dots = [...this.map.querySelectorAll(".dot")];
    this.ties = [...this.map.querySelectorAll(".tie")];
    this.trails = this.map.querySelector(".trails");
    this.slider.addEventListener("input", () => this.show());
    this.slider.addEventListener("change", () => this.remember());
    this.colour.addEventListener("change", () => {
      this.show();
      this.remember();
    });
    this.button.addEventListener("click", () => (this.timer ? this.pause() : this.play()));
    this.map.addEventListener("click", (event) => this.press(event.target.closest(".dot")));
    this.task.addEventListener("change", () => {
      this.choose(this.task.value);
      this.begin();
    });
    this.root.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
    if (this.task.value) this.choose(this.task.value);
    this.point();
    this.between = new Between(document.getElementById("atlas-between"), this.data.runs, () => {
      this.drawTrails();
      this.remember();
    });
  }

  get step() {
    return this.data.steps[Number(this.slider.value)];
  }

  /** Which of a run's moments is shown: the newest that is not after the step, else the first. */
  momentOf(run) {
    const later = run.steps.findIndex((step) => step > this.step);
    return later < 0 ? run.steps.length - 1 : Math.max(0, later - 1);
  }

  show() {
    const { runs } = this.data;
    const moments = runs.map((run) => this.momentOf(run));
    const text = this.step.toLocaleString("en");
    document.getElementById("atlas-at").textContent = text;
    this.slider.setAttribute("aria-valuetext", `step ${text}`);
    this.point();
    for (const tie of this.ties) this.moveTie(tie, moments);
    for (const dot of this.dots) this.moveDot(dot, moments);
    for (const legend of this.root.querySelectorAll("[data-legend]")) legend.hidden = legend.dataset.legend !== this.colour.value;
    this.tell(moments);
    if (this.chosen) this.describe();
    else this.drawTrails();
  }

  /** The line in the strip stands above the slider's thumb. */
  point() {
    const x = (1000 * Number(this.slider.value)) / Math.max(1, Number(this.slider.max));
    for (const end of ["x1", "x2"]) this.now.setAttribute(end, x.toFixed(1));
  }

  moveDot(dot, moments) {
    const { run, task, view } = dot.dataset;
    const place = this.place(run, moments[run], task, view);
    dot.toggleAttribute("hidden", !place);
    if (!place) return;
    dot.style.transform = `translate(${place[0]}px,${place[1]}px)`;
    const mark = this.mark(run, moments[run], task);
    this.tint(dot, mark);
    dot.setAttribute("d", this.data.shapes[Math.floor(mark / this.data.hues) % this.data.shapes.length]);
  }

  moveTie(tie, moments) {
    const { run, task } = tie.dataset;
    const places = Array.from({ length: this.data.runs[run].views }, (_, view) => this.place(run, moments[run], task, view));
    tie.toggleAttribute("hidden", !places.every(Boolean));
    if (!places.every(Boolean)) return;
    tie.setAttribute("points", places.map((place) => place.join(",")).join(" "));
    this.tint(tie, this.mark(run, moments[run], task));
  }

  tint(element, mark) {
    for (const name of [...element.classList]) if (/^k\d$/.test(name)) element.classList.remove(name);
    element.classList.add(`k${1 + (mark % this.data.hues)}`);
  }

  /** Where a dot is in the drawing; undefined where this moment has no such context. */
  place(at, moment, task, view) {
    const run = this.data.runs[at];
    const numbers = run.places[moment];
    const first = 2 * (Number(task) * run.views + Number(view));
    if (numbers[first] === this.data.absent) return undefined;
    const unit = this.data.side / 2 / this.data.largest;
    return [(numbers[first] * unit).toFixed(1), (-numbers[first + 1] * unit).toFixed(1)];
  }

  mark(at, moment, task) {
    const { labels, marks } = this.data.colourings[this.colour.value];
    if (marks) return marks[at][task];
    const answer = Math.max(0, this.data.runs[at].answers[moment][task]);
    return this.colour.value === "answer" ? labels.indexOf(this.data.modes[answer]) : Math.min(1, answer);
  }

  /** The tables at the moments. */
  tell(moments) {
    for (const row of this.root.querySelectorAll("tr[data-run]")) {
      const run = this.data.runs[row.dataset.run];
      const moment = moments[row.dataset.run];
      if (moment < 0) continue;
      for (const cell of row.querySelectorAll("[data-cell]")) cell.textContent = run.cells[moment][cell.dataset.cell];
      const word = row.querySelector("[data-word]");
      if (!word) continue;
      word.textContent = run.words[moment];
      word.className = `status is-${run.levels[moment]}`;
    }
    for (const table of this.root.querySelectorAll("[data-tasks]")) {
      const at = table.dataset.tasks;
      [...table.tBodies[0].rows].forEach((row, task) => {
        const { answer, tokens, near } = this.wordsOn(at, moments[at], task);
        row.querySelector("[data-answer]").textContent = answer;
        row.querySelector("[data-tokens]").textContent = tokens;
        row.querySelector("[data-near]").textContent = near.join(", ");
      });
    }
    const said = this.data.runs.map((run, at) => (run.steps.length ? `${run.name}: ${run.said[moments[at]]}` : ""));
    this.map.setAttribute("aria-label", `Contexts at step ${this.step.toLocaleString("en")}. ${said.filter(Boolean).join("; ")}`);
  }

  wordsOn(at, moment, task) {
    const run = this.data.runs[at];
    const answer = run.answers[moment][task];
    return {
      answer: answer < 0 ? NO_VALUE : this.data.modes[answer],
      tokens: run.tokens[moment][task],
      near: run.neighbours[moment][task].map((place) => run.tasks[place][1]),
    };
  }

  /** A press on the chosen dot, or beside all dots, chooses none. */
  press(dot) {
    const key = dot ? this.keyOf(dot.dataset.run, dot.dataset.task) : "";
    const isChosen = dot && this.chosen?.run === dot.dataset.run && key === this.task.value;
    this.choose(isChosen ? "" : key, dot?.dataset.run);
    this.begin();
  }

  /** What was chosen begins or ends a way. */
  begin() {
    if (this.chosen) this.between.press(Number(this.chosen.run), this.task.value);
    this.drawTrails();
    this.remember();
  }

  /** Choose a task in all runs, described as it is in one: the first that has it, if none is named. */
  choose(key, run) {
    this.task.value = key;
    this.chosen = undefined;
    for (const each of [...this.dots, ...this.ties]) {
      const isSame = key !== "" && this.keyOf(each.dataset.run, each.dataset.task) === key;
      each.classList.toggle("is-chosen", isSame);
      each.classList.toggle("is-out", key !== "" && !isSame);
      if (isSame && (!this.chosen || (run === each.dataset.run && this.chosen.run !== run))) this.chosen = { run: each.dataset.run, task: each.dataset.task };
    }
    this.describe();
  }

  keyOf(run, task) {
    const [set, id] = this.data.runs[run].tasks[task];
    return `${set}/${id}`;
  }

  /** The chosen task: where it leads to, and what is near. */
  describe() {
    const box = document.getElementById("atlas-chosen");
    this.drawTrails();
    if (!this.chosen) {
      box.replaceChildren();
      return;
    }
    const { run: at, task } = this.chosen;
    const run = this.data.runs[at];
    const [, id, rule] = run.tasks[task];
    const { answer, tokens } = this.wordsOn(at, this.momentOf(run), task);
    const line = (...parts) => {
      const made = document.createElement("p");
      made.append(...parts);
      return made;
    };
    const link = (address, text) => {
      const made = document.createElement("a");
      made.href = address;
      made.textContent = text;
      return made;
    };
    const near = run.neighbours[this.momentOf(run)][task].flatMap((place, number) => [number ? ", " : "", link(addressOf(run.tasks[place]), run.tasks[place][1])]);
    const lines = [
      line(link(addressOf(run.tasks[task]), id), rule ? ` · ${rule}` : "", ` · ${run.name}`),
      line(`Answer: ${answer}, ${tokens} of the tokens right. `, link(`/gallery?run=${run.id}&task=${encodeURIComponent(id)}`, "Its predictions")),
    ];
    if (near.length) lines.push(line("Nearest: ", ...near));
    box.replaceChildren(...lines);
  }

  drawTrails() {
    this.trails.replaceChildren(...this.waysSoFar(), ...this.wayBetween());
  }

  /** Of the chosen task in each run: where the middle of its views was, up to the step. */
  waysSoFar() {
    if (!this.chosen) return [];
    const key = this.keyOf(this.chosen.run, this.chosen.task);
    return this.data.runs.flatMap((run, at) => {
      const task = run.tasks.findIndex((_, each) => this.keyOf(at, each) === key);
      if (task < 0) return [];
      const points = run.steps.slice(0, this.momentOf(run) + 1).flatMap((_, moment) => this.middle(at, moment, task));
      return [trail("trail", points)];
    });
  }

  /** The straight line between the two tasks that a checkpoint is asked between. */
  wayBetween() {
    const ends = this.between?.ends;
    if (!ends) return [];
    const moment = this.momentOf(this.data.runs[this.between.run]);
    const points = ends.flatMap((task) => this.middle(this.between.run, moment, task));
    return points.length === 2 ? [trail("trail is-way", points)] : [];
  }

  /** [the middle of a task's views], or [] where this moment has no such contexts. */
  middle(at, moment, task) {
    const places = Array.from({ length: this.data.runs[at].views }, (_, view) => this.place(at, moment, task, view));
    if (!places.every(Boolean)) return [];
    return [[0, 1].map((axis) => places.reduce((sum, place) => sum + Number(place[axis]), 0) / places.length)];
  }

  play() {
    const end = Number(this.slider.max);
    if (Number(this.slider.value) === end) this.slider.value = 0;
    this.pressed(true);
    this.timer = setInterval(() => {
      this.slider.value = Number(this.slider.value) + 1;
      this.show();
      if (Number(this.slider.value) === end) this.pause();
    }, BEAT);
    this.show();
  }

  pause() {
    clearInterval(this.timer);
    this.timer = undefined;
    this.pressed(false);
    this.remember();
  }

  pressed(plays) {
    this.button.setAttribute("aria-pressed", String(plays));
    this.button.textContent = plays ? "Pause" : "Play";
  }

  /** The address leads to what is shown. */
  remember() {
    const query = new URLSearchParams({ runs: this.root.dataset.runs, colour: this.colour.value });
    if (Number(this.slider.value) < Number(this.slider.max)) query.set("step", this.step);
    if (this.task.value) query.set("task", this.task.value);
    if (this.between.playId) query.set("between", this.between.playId);
    history.replaceState(null, "", `/atlas?${query}`);
  }
}

function trail(name, points) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  made.setAttribute("class", name);
  made.setAttribute("points", points.map((place) => place.map((number) => number.toFixed(1)).join(",")).join(" "));
  return made;
}

function addressOf([set, id]) {
  return `/tasks/${set.split("/").map(encodeURIComponent).join("/")}/${encodeURIComponent(id)}`;
}

/** Little-endian int16 from base64. */
function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 2 }, (_, at) => view.getInt16(2 * at, true));
}

const root = document.getElementById("atlas");
if (root) new Atlas(root);
