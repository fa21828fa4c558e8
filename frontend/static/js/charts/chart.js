// One chart: loads its figure when it is first seen, grows with the run, answers the crosshair.

import { ask } from "../api.js";
import { valueOn } from "../words.js";
import { throttled } from "../live.js";
import { nearest } from "./axis.js";
import { plotly, themed, tinted } from "./theme.js";

const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false };
const MOST_LIVE = 1500; // points of a trace before it is thinned again on the server
const DRAW_EVERY = 500; // milliseconds
const RELOAD_EVERY = 3000;

export class Chart {
  constructor(root, board) {
    this.root = root;
    this.board = board;
    this.plot = root.querySelector(".plot");
    this.metrics = root.dataset.metrics.split(",");
    this.title = root.querySelector("h3").textContent;
    this.log = "log" in root.dataset;
    this.draw = throttled(() => this.visible && this.render(), DRAW_EVERY);
    this.reload = throttled(async () => {
      await this.request;
      await this.load();
    }, RELOAD_EVERY);
    this.legend = new Map();
  }

  /** It came into view or left it. */
  show(visible) {
    this.visible = visible;
    if (visible && !this.figure) this.load();
    else if (visible) this.draw();
  }

  /** Ask the server for the whole figure; what was asked before under other settings is given up. */
  load() {
    this.leaving?.abort();
    this.leaving = new AbortController();
    const request = this.fetch(this.leaving.signal).finally(() => {
      if (this.request === request) this.request = undefined;
    });
    this.request = request;
    return request;
  }

  async fetch(signal) {
    const { smoothing, zoom } = this.board;
    const query = new URLSearchParams({ smoothing, log: this.log });
    if (zoom) Object.entries(zoom).forEach(([edge, step]) => query.set(edge, step));
    const panel = this.root.dataset.panel.split("/").map(encodeURIComponent).join("/");
    try {
      this.take(await ask(`/runs/${this.board.run}/figures/${panel}?${query}`, { signal }));
      await this.render();
    } catch (problem) {
      if (problem.name !== "AbortError") this.fail(problem);
    }
  }

  take(figure) {
    for (const trace of figure.data) trace.steps = trace.x;
    this.figure = figure;
    this.version = figure.version;
    this.axisKind = figure.axis;
    const raws = this.raws;
    this.lastStep = new Map(raws.map((trace) => [trace.meta.metric, trace.steps.at(-1) ?? -1]));
    for (const [metric, step] of Object.entries(figure.notes.last_nan)) {
      this.lastStep.set(metric, Math.max(step, this.lastStep.get(metric) ?? -1));
    }
    this.board.axis.fit(Math.max(this.board.axis.start, ...raws.map((trace) => trace.customdata.at(-1) ?? 0)));
    this.describe();
  }

  get raws() {
    return this.figure.data.filter((trace) => trace.meta.role === "raw");
  }

  get smooths() {
    return this.figure.data.filter((trace) => trace.meta.role === "smooth");
  }

  async render() {
    const Plotly = await plotly();
    const { axis, zoom } = this.board;
    const data = this.figure.data.map((trace) => tinted({ ...trace, x: axis.xs(trace) }));
    const marks = this.figure.marks.map((mark) => ({ ...mark, x: axis.at(mark.step, mark.wall_time) }));
    const layout = themed(this.figure.layout, marks);
    layout.datarevision = this.drawings = (this.drawings ?? 0) + 1; // arrays grow in place
    Object.assign(layout.xaxis, axis.layout(), zoom ? { range: this.board.range(this.smooths[0]) } : { autorange: true });
    const first = !this.plot.classList.contains("js-plotly-plot");
    await Plotly.react(this.plot, data, layout, CONFIG);
    if (first) this.listen();
    this.root.dataset.points = this.raws[0]?.x.length ?? 0;
  }

  listen() {
    this.plot.on("plotly_relayout", (change) => {
      if ("xaxis.range[0]" in change) this.board.zoomTo(this, change["xaxis.range[0]"], change["xaxis.range[1]"]);
    });
    this.plot.on("plotly_doubleclick", () => this.board.zoomOut());
    this.plot.addEventListener("pointermove", (event) => {
      const { xaxis } = this.plot._fullLayout;
      const x = xaxis.p2d(event.clientX - this.plot.getBoundingClientRect().left - xaxis._offset);
      const [low, high] = xaxis.range;
      this.board.pointAt(x >= Math.min(low, high) && x <= Math.max(low, high) ? x : null, this);
    });
    this.plot.addEventListener("pointerleave", () => this.board.pointAt(null, this));
  }

  /** Show what stands at `x`; null: the last values. */
  pointAt(x, here) {
    if (!this.figure || !this.plot._fullLayout) return;
    this.crosshair ??= this.plot.appendChild(Object.assign(document.createElement("div"), { className: "crosshair" }));
    this.crosshair.hidden = x === null;
    const found = x === null ? [] : this.valuesAt(x);
    if (x !== null) {
      const { xaxis } = this.plot._fullLayout;
      this.crosshair.style.transform = `translateX(${xaxis._offset + xaxis.d2p(x)}px)`;
      for (const each of found) this.legend.get(each.metric).textContent = this.valued(each.value);
    } else {
      this.showLast();
    }
    this.showTooltip(x, here ? found : []);
  }

  valuesAt(x) {
    return this.raws.flatMap((trace) => {
      const at = nearest(this.board.axis.xs(trace), x);
      return at < 0 ? [] : [{ metric: trace.meta.metric, name: trace.name, value: trace.y[at], colour: trace.meta.colour }];
    });
  }

  showTooltip(x, found) {
    this.tooltip ??= this.plot.appendChild(Object.assign(document.createElement("div"), { className: "tooltip" }));
    this.tooltip.hidden = !found.length;
    if (!found.length) return;
    const lines = found.sort((a, b) => b.value - a.value).map((each) => {
      const row = document.createElement("div");
      row.append(swatch(each.colour), `${each.name} `, bold(this.valued(each.value)));
      return row;
    });
    const head = Object.assign(document.createElement("div"), { className: "soft", textContent: this.board.axis.words(x) });
    this.tooltip.replaceChildren(head, ...lines);
    const { xaxis } = this.plot._fullLayout;
    const left = xaxis._offset + xaxis.d2p(x);
    const turn = left + this.tooltip.offsetWidth + 16 > this.plot.clientWidth;
    this.tooltip.style.transform = `translateX(${turn ? left - this.tooltip.offsetWidth - 8 : left + 8}px)`;
  }

  /** New points of the run. Known points that come again are let be; changed ones mean another look. */
  extend(version, series) {
    if (!this.figure || this.board.zoom || version <= this.version) return;
    const raws = this.raws.filter((trace) => trace.meta.metric in series);
    if (!raws.length) return;
    if (raws.some((trace) => this.isRewritten(trace, series[trace.meta.metric]))) {
      this.reload();
      return;
    }
    for (const raw of raws) this.append(raw, this.figure.data[this.figure.data.indexOf(raw) + 1], series[raw.meta.metric]);
    this.version = version;
    this.describe();
    this.draw();
    if (raws.some((trace) => trace.x.length > MOST_LIVE)) this.reload();
  }

  /** Whether a point of the past has another value than the one drawn, or was not there. */
  isRewritten(trace, curve) {
    const last = this.lastStep.get(trace.meta.metric);
    return curve.step.some((step, i) => {
      if (step > last || curve.value[i] === null) return false;
      const at = nearest(trace.steps, step);
      return trace.steps[at] === step ? trace.y[at] !== curve.value[i] : !trace.meta.thinned;
    });
  }

  append(raw, smooth, curve) {
    const { average } = smooth.meta;
    const decay = this.board.smoothing;
    const last = this.lastStep.get(raw.meta.metric);
    curve.step.forEach((step, i) => {
      if (step <= last) return;
      const value = curve.value[i];
      this.lastStep.set(raw.meta.metric, step);
      if (value === null) {
        this.addNan(step, curve.wall_time[i]);
        return;
      }
      average.mean = decay * average.mean + (1 - decay) * value;
      average.weight = decay * average.weight + (1 - decay);
      // 12 digits: rounding must not draw a constant curve as a jagged one.
      const smoothed = Number((average.mean / average.weight).toPrecision(12));
      for (const [trace, y] of [[raw, value], [smooth, smoothed]]) {
        trace.steps.push(step);
        trace.customdata.push(curve.wall_time[i]);
        trace.y.push(y);
      }
    });
  }

  addNan(step, moment) {
    const marks = this.figure.data.find((trace) => trace.meta.role === "nan");
    if (marks.steps.at(-1) === step) return;
    marks.steps.push(step);
    marks.customdata.push(moment);
    marks.y.push(0);
    this.figure.notes.nan += 1;
  }

  /** Legend with the last values, and in words what the lines cannot show. */
  describe() {
    const list = this.root.querySelector(".legend");
    this.legend.clear();
    list.replaceChildren(...this.smooths.map((trace) => {
      const item = document.createElement("li");
      const value = bold("");
      this.legend.set(trace.meta.metric, value);
      item.append(swatch(trace.meta.colour), trace.name, value);
      return item;
    }));
    this.showLast();
    const { nan, off_scale: off, not_positive: low } = this.figure.notes;
    const notes = [[nan, `× ${nan} NaN`], [off, `↕ ${off} off the scale`], [low, `${low} not positive, not drawn`]];
    this.root.querySelector(".notes").replaceChildren(...notes.filter(([number]) => number).map(([, text]) => {
      return Object.assign(document.createElement("span"), { className: "mark", textContent: text });
    }));
    const values = this.raws.map((trace) => `${trace.name} ${this.valued(trace.y.at(-1))}`).join(", ");
    this.plot.setAttribute("aria-label", `${this.title} by step; last: ${values}`);
  }

  showLast() {
    for (const trace of this.raws) this.legend.get(trace.meta.metric).textContent = this.valued(trace.y.at(-1));
  }

  valued(value) {
    return valueOn(this.axisKind, value);
  }

  fail(problem) {
    const note = Object.assign(document.createElement("div"), { className: "failure", textContent: problem.message });
    this.plot.querySelector(".failure")?.remove();
    this.plot.append(note);
  }
}

function bold(text) {
  return Object.assign(document.createElement("b"), { textContent: text });
}

function swatch(tone) {
  const mark = Object.assign(document.createElement("span"), { className: "swatch" });
  mark.style.background = `var(--${tone})`;
  return mark;
}
