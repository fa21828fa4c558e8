// What lies between two contexts: a checkpoint of a run answers a test input on the way from one task's to another's.

import { element, figure } from "../playground/answer.js";
import { ask } from "../web/api.js";
import { copyText } from "../web/clipboard.js";
import { watchGrids } from "../web/grids.js";
import { Stream } from "../web/live.js";
import { attempt } from "../web/notices.js";
import { counted, percent, significant } from "../web/words.js";

const SIDE = 112; // CSS pixels of a grid
const READINGS = { first: "as at the start", second: "as at the end", both: "same at both ends", neither: "neither" };

export class Between {
  /** `changed` is called when another way is chosen, or another answer is there: the map and the address tell of it. */
  constructor(root, runs, changed) {
    this.runs = runs;
    this.changed = changed;
    this.form = root.querySelector("form");
    this.status = root.querySelector("[role=status]");
    this.strip = root.querySelector("ol");
    this.copy = root.querySelector("[data-copy-way]");
    this.cancel = root.querySelector("[data-cancel-way]");
    this.mayAsk = document.body.dataset.role !== "viewer";
    this.playId = root.dataset.between;
    this.fields.run.addEventListener("change", () => {
      this.offer();
      this.changed();
    });
    for (const field of [this.fields.first, this.fields.second]) field.addEventListener("change", () => this.changed());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.copy.addEventListener("click", () => attempt(() => this.copyLink()));
    this.cancel.addEventListener("click", () => attempt(() => ask(`/api/v1/plays/${this.playId}/cancel`, { method: "POST" })));
    if (this.playId) attempt(() => this.reopen());
    else this.offer();
  }

  get fields() {
    return this.form.elements;
  }

  /** The place of the chosen run on the page. */
  get run() {
    return Number(this.fields.run.value);
  }

  /** The two tasks' places among the run's; undefined while one is not chosen. */
  get ends() {
    const tasks = this.runs[this.run].tasks.map(keyOf);
    const [first, second] = [this.fields.first.value, this.fields.second.value].map((key) => tasks.indexOf(key));
    return first < 0 || second < 0 || first === second ? undefined : [first, second];
  }

  /** What another run has to choose from. */
  offer() {
    this.say("");
    this.offerTasks();
    attempt(() => this.offerSteps());
  }

  offerTasks() {
    for (const [field, words] of [[this.fields.first, "press a dot, or choose"], [this.fields.second, "press another dot"]]) {
      const before = field.value;
      const options = this.runs[this.run].tasks.map((task) => element("option", { value: keyOf(task) }, task[2] ? `${task[1]} (${task[2]})` : task[1]));
      field.replaceChildren(element("option", { value: "" }, words), ...options);
      if (options.some((each) => each.value === before)) field.value = before;
    }
  }

  async offerSteps() {
    const { id } = this.runs[this.run];
    const found = await ask(`/api/v1/runs/${id}/checkpoints`);
    if (this.runs[this.run].id !== id) return; // another run was chosen meanwhile
    const options = found.map((each) => element("option", { value: String(each.step) }, [`step ${each.step.toLocaleString("en")}`, ...each.aliases].join(" · ")));
    this.fields.step.replaceChildren(...(options.length ? options : [element("option", { value: "" }, "none")]));
    this.form.querySelector("button:not([type=button])").disabled = !this.mayAsk || !options.length;
    if (!options.length) this.say("This run has no checkpoint that could answer: its weights were removed, or it has not saved any yet.");
  }

  /** A dot was pressed: the first press begins a way, the next one ends it. */
  press(at, key) {
    const { run, first, second } = this.fields;
    if (at !== this.run) {
      run.value = at;
      this.offer();
      first.value = second.value = "";
    }
    if (!first.value || second.value) [first.value, second.value] = [key, ""];
    else if (first.value !== key) second.value = key;
  }

  async send() {
    const { first, second, step } = this.fields;
    this.stream?.end();
    await attempt(async () => {
      const body = { run: this.runs[this.run].id, step: Number(step.value), first: first.value, second: second.value };
      const play = await ask("/api/v1/plays/between", { method: "POST", body });
      this.playId = play.id;
      this.strip.replaceChildren();
      this.changed();
      this.follow(play.id);
    });
  }

  /** What the address names: chosen as it was asked, with its answer. */
  async reopen() {
    const play = await ask(`/api/v1/plays/${this.playId}`).catch((problem) => {
      this.playId = "";
      this.say([problem.message, problem.hint].join(" "), true);
    });
    const at = this.runs.findIndex((run) => run.id === play?.checkpoint.run);
    if (at >= 0) this.fields.run.value = at;
    this.offerTasks();
    await this.offerSteps();
    if (play?.request.kind !== "between") return;
    const { first, second } = play.request;
    for (const [field, key] of [[this.fields.first, first], [this.fields.second, second]]) field.value = key;
    if ([...this.fields.step.options].some((each) => each.value === String(play.checkpoint.step))) this.fields.step.value = play.checkpoint.step;
    this.changed();
    if (["queued", "running"].includes(play.status)) this.follow(play.id);
    else this.hear(play);
  }

  follow(id) {
    this.stream = new Stream(() => `/api/v1/plays/${id}/events`, {
      play: (play) => play.id === this.playId && this.hear(play),
      end: () => this.stream.end(),
    });
  }

  hear(play) {
    const isWaiting = ["queued", "running"].includes(play.status);
    this.cancel.hidden = !isWaiting || !this.mayAsk;
    this.copy.hidden = play.status !== "finished";
    if (play.status === "queued") this.say(`Waiting: ${play.waiting_for}.`);
    if (play.status === "running") this.say("A worker is decoding…");
    if (play.status === "failed") this.say(`No answer: ${play.status_cause}`, true);
    if (play.status === "cancelled") this.say("Cancelled.");
    if (play.status === "finished") this.show(play);
  }

  show(play) {
    const { asked, truth, points } = play.way;
    const { first, second, test } = play.request;
    const different = new Set(points.map((each) => each.grid)).size;
    const step = play.checkpoint.step.toLocaleString("en");
    this.say(`${counted(different, "different answer")} on the way. Step ${step}, ${play.request.weights === "ema" ? "EMA" : "raw"} weights, ${significant(play.seconds, 2)}\u202fs on ${play.device}.`);
    const known = truth === null ? [] : [shown(truth, "truth")];
    const answers = points.map((each, at) => {
      const end = at === 0 ? nameOf(first) : at === points.length - 1 ? nameOf(second) : "";
      const made = shown(each.grid, [percent(each.share, 0), end].filter(Boolean).join(" · "), at ? points[0].grid : "");
      const rightness = each.cell_accuracy === null ? "" : each.cell_accuracy === 1 ? ", right" : `, ${percent(each.cell_accuracy, 0)} of cells right`;
      made.querySelector("figcaption").append(element("span", { className: "grid-note" }, READINGS[each.equals] + rightness));
      return made;
    });
    this.strip.replaceChildren(...[shown(asked, `test input ${test} of ${nameOf(first)}`), ...known, ...answers].map((each) => element("li", {}, each)));
    watchGrids(this.strip);
  }

  /** A link keeps the answer: others are deleted after a day. */
  async copyLink() {
    if (this.mayAsk) await ask(`/api/v1/plays/${this.playId}/keep`, { method: "POST" });
    await copyText(`${location.origin}/play/${this.playId}`, "a link to these answers");
  }

  say(text, bad = false) {
    this.status.textContent = text;
    this.status.classList.toggle("is-bad", bad);
  }
}

const keyOf = ([set, id]) => `${set}/${id}`;
const nameOf = (key) => key.split("/").at(-1);
const shown = (digits, caption, against = "") => figure(digits, caption, { against, side: SIDE });
