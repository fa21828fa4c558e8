// The run page: tabs, actions, and the event stream that keeps everything going.

import { watchAliases } from "./aliases.js";
import { given, say } from "../web/address.js";
import { ask } from "../web/api.js";
import { Board } from "../charts/board.js";
import { copyText } from "../web/clipboard.js";
import { Stream, refresh, throttled } from "../web/live.js";
import { Histograms } from "./histograms.js";
import { Log } from "./log.js";
import { attempt, confirm, tell } from "../web/notices.js";
import { Predictions } from "./predictions.js";
import { watchTabs } from "../web/tabs.js";

class RunPage {
  constructor(root) {
    this.root = root;
    this.id = root.dataset.run;
    this.board = this.newBoard();
    this.predictions = new Predictions(document.getElementById("predictions"));
    this.histograms = new Histograms(document.getElementById("histograms"), this.id);
    this.log = new Log(document.getElementById("log"), this.id);
    this.version = Number(root.dataset.version);
    this.known = root.dataset.state; // what the page shows, until something else is told
    this.alarms = Number(root.dataset.alarms);
    this.refresh = throttled(() => attempt(() => this.renew()), 1000);
    this.keepUp = throttled(() => attempt(() => this.renew()), 5000);
    this.rearrange = throttled(() => attempt(() => this.replaceCurves()), 500);
    watchTabs(root, (section) => this.openTab(section));
    document.addEventListener("keydown", (event) => {
      if (event.target.matches("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "b") document.getElementById("blink")?.click();
    });
    this.watchActions();
    this.watchConfig();
    this.watchEvaluations();
    watchAliases(this.id, () => this.renew());
    this.follow();
  }

  newBoard() {
    const { run, name } = this.root.dataset;
    const expressions = () => new URLSearchParams(new URLSearchParams(location.search).getAll("expr").map((text) => ["expr", text]));
    return new Board(document.getElementById("curves"), {
      run,
      name,
      figures: `/runs/${run}/figures`,
      figure: (panel) => `/api/v1/runs/${run}/figure?${new URLSearchParams([["panel", panel], ...expressions()])}`,
      query: expressions,
    });
  }

  follow() {
    this.stream = new Stream(
      () => `/api/v1/runs/${this.id}/events?cursor=${this.version}.${this.log.lastId}&known=${this.known}`,
      {
        points: (data) => this.takePoints(data),
        log: (data) => this.log.add(data.lines),
        evaluation: () => {
          this.changed();
          this.predictions.changedOnServer();
        },
        status: (run) => this.takeStatus(run),
        end: (data) => this.end(data),
      },
    );
  }

  /** What the page shows is no longer how the run is. */
  changed() {
    this.known = "";
    this.refresh();
  }

  /** The run got on, and nothing else: the curves show that at once, and numbers beside them need no new page every
   * second. */
  gotOn() {
    this.known = "";
    this.keepUp();
  }

  takePoints({ version, series }) {
    this.version = version;
    this.board.extend(version, series);
    const known = this.board.metrics;
    if (!Object.keys(series).every((name) => known.has(name))) this.rearrange();
    this.gotOn();
  }

  /** Charts for metrics that have none yet: take the server's arrangement, if it knows of them by now. */
  async replaceCurves() {
    const fresh = await refresh();
    const curves = document.getElementById("curves");
    if (metricsBelow(fresh.getElementById("curves")) === metricsBelow(curves)) return;
    const copy = curves.cloneNode(false); // leaves the old board's listeners behind
    copy.append(...fresh.getElementById("curves").childNodes);
    this.board.leave();
    curves.replaceWith(copy);
    this.board = this.newBoard();
  }

  takeStatus(run) {
    const alarms = run.alarms.length;
    if (alarms > this.alarms) this.board.reload();
    this.alarms = alarms;
    const before = this.steady;
    this.steady = steadyPart(run);
    if (before === this.steady) this.gotOn();
    else this.changed();
  }

  end(data) {
    this.stream.end();
    if (data.deleted) {
      tell("This run was deleted.", { hint: "This page shows its last state.", bad: true });
      return;
    }
    if (!this.known) this.refresh();
  }

  async renew() {
    const fresh = await refresh();
    // A section of an external run is shown once it has something to show.
    const filled = fresh.querySelectorAll("[role=tab]:not([hidden]), [role=tabpanel]:not([hidden])");
    for (const { id } of filled) document.getElementById(id).hidden = false;
    this.histograms.renew(fresh);
    if (this.predictions.opened) this.predictions.open();
  }

  openTab(section) {
    if (section === "predictions") this.predictions.open();
    if (section === "log") this.log.toEnd();
  }

  watchActions() {
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-action]");
      if (button) this.act(button.dataset.action, button);
      const mode = event.target.closest("[data-mode]");
      if (mode) {
        event.preventDefault();
        location.hash = "predictions";
        this.predictions.choose(mode.dataset.evaluation, mode.dataset.mode);
      }
    });
  }

  async act(action, button) {
    if (action === "delete" || action === "rename") {
      await (action === "delete" ? this.remove() : this.rename());
      return;
    }
    const { title, ask: text, verb } = button.dataset;
    if (title && !(await confirm(title, text, verb))) return;
    button.disabled = true;
    const done = await attempt(() => ask(`/api/v1/runs/${this.id}/${action}`, { method: "POST" }));
    if (done && action.endsWith("resume")) location.reload();
    else await this.renew();
  }

  /** The name stands in many places of the page: it is fetched again. */
  async rename() {
    const dialog = document.getElementById("name-dialog");
    const field = dialog.querySelector("input");
    const before = this.root.dataset.name;
    field.value = before;
    dialog.returnValue = "";
    dialog.showModal();
    field.select();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    const name = field.value.trim();
    if (dialog.returnValue !== "yes" || !name || name === before) return;
    const body = { name, seen: { name: before } };
    if (await attempt(() => ask(`/api/v1/runs/${this.id}`, { method: "PATCH", body }))) location.reload();
  }

  async remove() {
    const text = "Its curves, predictions, log and checkpoints go with it. This cannot be undone.";
    if (!(await confirm(`Delete ${this.root.dataset.name}?`, text, "Delete run"))) return;
    this.stream.end();
    if (await attempt(() => ask(`/api/v1/runs/${this.id}`, { method: "DELETE" }))) location.assign("/");
  }

  /** The form asks the API, and an evaluation continues after the run's own events have ended. */
  watchEvaluations() {
    document.addEventListener("click", (event) => {
      const opener = event.target.closest("[data-open=evaluate]");
      if (!opener) return;
      document.getElementById("evaluate").open = true;
      this.openTab();
      const form = document.getElementById("evaluate-form");
      if (opener.dataset.step) form.elements.step.value = opener.dataset.step;
      form.querySelector("select").focus();
    });
    document.addEventListener("submit", async (event) => {
      if (event.target.id !== "evaluate-form") return;
      event.preventDefault();
      await attempt(async () => {
        const body = asked(event.target);
        const made = await ask(`/api/v1/runs/${this.id}/evaluations`, { method: "POST", body });
        location.assign(`/evaluations/${made.id}`);
      });
    });
    setInterval(() => {
      if (!document.hidden && document.querySelector("#evaluation-table [data-active]")) this.refresh();
    }, 2000);
  }

  watchConfig() {
    const only = document.getElementById("only-changed");
    const show = () => document.querySelector("table.config")?.classList.toggle("only-changed", only.checked);
    only?.addEventListener("change", () => {
      say({ only: only.checked ? "changed" : null });
      show();
    });
    if (only) {
      only.checked = given("only") === "changed";
      show();
    }
    document.querySelector("[data-copy]")?.addEventListener("click", (event) => {
      copyText(document.getElementById(event.currentTarget.dataset.copy).textContent, "the config");
    });
  }
}

/** What the form asks for; what was left empty stands for its default. */
function asked(form) {
  const fields = Object.fromEntries(new FormData(form));
  const { set_name: set, tasks, trace_steps: trace, distinct_views: distinct, ...rest } = fields;
  const named = tasks.split(/[\s,]+/).filter(Boolean);
  const plain = Object.entries(rest).filter(([key]) => !/^(adaptation|search)(_|$)/.test(key));
  const given = plain.filter(([key, value]) => value && !(named.length && key === "first_tasks"));
  const numbers = given.map(([key, value]) => [key, key === "weights" ? value : Number(value)]);
  const wanted = { set, tasks: named, trace_steps: trace === "on", distinct_views: distinct === "on", ...Object.fromEntries(numbers) };
  for (const part of ["adaptation", "search"]) if (fields[part]) wanted[part] = configOf(form, part, fields[part]);
  return wanted;
}

/** The config of a search or an adaptation, from the fields of its kind. */
function configOf(form, part, kind) {
  const config = { kind };
  for (const field of form.querySelectorAll(`[data-${part}~="${kind}"] [name^="${part}_"]`)) {
    const name = field.name.slice(part.length + 1);
    if (field.type === "checkbox") config[name] = field.checked;
    else if (field.value) config[name] = field.type === "number" ? Number(field.value) : field.value;
  }
  return config;
}

/** A run without what moves as it gets on. */
function steadyPart({ step, duration, progress, metrics, heartbeat, ...rest }) {
  return JSON.stringify([rest, progress.phase, Object.keys(metrics), heartbeat?.silent_since]);
}

function metricsBelow(root) {
  return [...root.querySelectorAll(".chart")].map((chart) => chart.dataset.metrics).join(";");
}

new RunPage(document.getElementById("run"));
