// One chart: loads its figure when it is first seen, grows with the run, answers the crosshair. What the server drew
// answers as soon as the figure is here, in the second that Plotly takes to load.

import { Problem } from "../web/api.js";
import { valueOn } from "../web/words.js";
import { throttled } from "../web/live.js";
import { nearest } from "./axis.js";
import { plotly, swatch, themed, tinted } from "./theme.js";

const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false };
const MAX_LIVE = 1500; // points of a trace before it is thinned again on the server
const DRAW_EVERY = 500; // milliseconds
const RELOAD_EVERY = 3000;
const MAX_TOLD = 16; // lines of a tooltip
const LIMIT = 1e300; // of a linear axis, and the length of its shortest range by its largest value: as the server
const RESOLUTION = 1e-12;
// The axis of values once a run has outgrown the range and the labels that the server chose.
const OUTGROWN = { range: undefined, autorange: true, tickmode: "auto", tickvals: undefined, ticktext: undefined, automargin: "left" };
const SAME = 1e-6; // relative difference of two values that no chart shows: the server rounds to 7 digits

export class Chart {
  constructor(root, board) {
    this.root = root;
    this.board = board;
    this.plot = root.querySelector(".plot");
    this.metrics = "expression" in root.dataset ? [root.dataset.metrics] : root.dataset.metrics.split(",");
    this.operands = root.dataset.expression?.split(",") ?? []; // the metrics that an expression is made of
    this.title = root.querySelector("h3").textContent;
    this.redraw = throttled(() => this.visible && this.render(), DRAW_EVERY);
    this.reload = throttled(async () => {
      await this.request;
      await this.load();
    }, RELOAD_EVERY);
    this.legend = new Map();
    this.told = 0; // version of the newest points that came for it, drawn or not
  }

  /** It came into view or left it. */
  show(visible) {
    this.visible = visible;
    if (visible && !this.figure) this.load();
    else if (visible && this.stale) this.redraw();
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
    try {
      this.take(await this.board.figure(this.root.dataset.panel, signal));
      await this.board.turn(() => !signal.aborted && this.render());
    } catch (problem) {
      if (problem.name !== "AbortError") this.fail(problem);
    }
  }

  take(figure) {
    if (figure.problem) throw new Problem(figure.problem);
    for (const trace of figure.data) trace.steps = trace.x;
    this.figure = figure;
    this.version = figure.version;
    this.smoothing = this.board.smoothing;
    this.axisKind = figure.axis;
    this.axis = this.board.axis; // the figure was asked for with it
    this.range = figure.layout.xaxis.range;
    [this.unit] = this.axis.unit(this.range[1]);
    this.lastStep = new Map(this.raws.map((trace) => [trace.meta.key, trace.steps.at(-1) ?? -1]));
    for (const [key, step] of Object.entries(figure.notes.last_nan)) {
      this.lastStep.set(key, Math.max(step, this.lastStep.get(key) ?? -1));
    }
    this.describe();
    if (!this.answers) this.answer();
    if (figure.version < this.told) this.reload(); // the answer is older than points that came meanwhile
  }

  get raws() {
    return this.figure.data.filter((trace) => trace.meta.role === "raw");
  }

  get smooths() {
    return this.figure.data.filter((trace) => trace.meta.role === "smooth");
  }

  /** Where the points of a trace stand, in steps, samples, epochs or seconds. */
  xs(trace) {
    return this.axis.xs(trace, this.figure.clocks);
  }

  async render() {
    const Plotly = await plotly();
    this.stale = false;
    const { axis, unit, figure } = this;
    const shown = (xs) => (unit === 1 ? xs : xs.map((x) => x / unit));
    const hidden = this.board.hidden ?? new Set();
    const data = figure.data.map((trace) => ({ ...tinted(trace), x: shown(this.xs(trace)), visible: !hidden.has(trace.meta.key) }));
    const [clock] = Object.values(figure.clocks);
    const marks = figure.marks.map((mark) => ({ ...mark, x: axis.at(mark.step, mark.wall_time, clock) / unit }));
    const layout = themed(figure.layout, marks);
    layout.datarevision = this.drawings = (this.drawings ?? 0) + 1; // arrays grow in place
    layout.xaxis = { ...layout.xaxis, ...axis.layout(...this.range), range: shown(this.range) };
    if (this.grown && !figure.notes.off_scale && this.autoranges) layout.yaxis = { ...layout.yaxis, ...OUTGROWN };
    const first = !this.plot.classList.contains("js-plotly-plot");
    await Plotly.react(this.plot, data, layout, CONFIG);
    if (first) this.takeOver();
    this.root.dataset.points = this.raws[0]?.x.length ?? 0;
    this.root.dataset.smoothing = this.smoothing;
  }

  /** What the server drew makes room for what answers. */
  takeOver() {
    this.plot.querySelector(".still")?.remove();
    this.listenToPlotly();
    performance.mark("chart", { detail: this.root.dataset.panel });
  }

  listenToPlotly() {
    this.plot.on("plotly_relayout", (change) => {
      if ("xaxis.range[0]" in change) this.board.zoomTo(change["xaxis.range[0]"] * this.unit, change["xaxis.range[1]"] * this.unit);
    });
    this.plot.on("plotly_doubleclick", () => this.board.zoomOut());
  }

  /** Follow the pointer; Plotly is not needed for it. */
  answer() {
    this.answers = true;
    this.root.dataset.answers = "yes";
    this.plot.addEventListener("pointermove", (event) => {
      const box = this.plot.getBoundingClientRect();
      const { left, width, top, height, low, high, floor, ceiling } = this.place();
      const x = low + ((event.clientX - box.left - left) / width) * (high - low);
      this.height = ceiling + ((event.clientY - box.top - top) / height) * (floor - ceiling);
      if (this.figure.layout.yaxis.type === "log") this.height = 10 ** this.height;
      this.board.pointAt(x >= Math.min(low, high) && x <= Math.max(low, high) ? x : null, this);
    });
    this.plot.addEventListener("pointerleave", () => this.board.pointAt(null, this));
  }

  /** Where the axes lie in the plot, in pixels, and what stands at their ends: as Plotly has it, or the drawing. */
  place() {
    const { xaxis, yaxis } = this.plot._fullLayout ?? {};
    if (xaxis?._length) {
      const [low, high] = xaxis.range.map((each) => each * this.unit);
      const [floor, ceiling] = yaxis.range;
      return { left: xaxis._offset, width: xaxis._length, top: yaxis._offset, height: yaxis._length, low, high, floor, ceiling };
    }
    const [low, high] = this.range;
    const { l: left, r, t: top, b } = this.figure.layout.margin;
    const [floor, ceiling] = this.figure.layout.yaxis.range;
    return { left, width: this.plot.clientWidth - left - r, top, height: this.plot.clientHeight - top - b, low, high, floor, ceiling };
  }

  /** Show what stands at `x`; null: the last values. */
  pointAt(x, here) {
    if (!this.figure) return;
    this.crosshair ??= this.plot.appendChild(Object.assign(document.createElement("div"), { className: "crosshair" }));
    this.crosshair.hidden = x === null;
    const found = x === null || (!here && !this.legend.size) ? [] : this.valuesAt(x);
    let at = 0;
    if (x !== null) {
      const { left, width, low, high } = this.place();
      at = left + ((x - low) / (high - low)) * width;
      this.crosshair.hidden = at < left || at > left + width;
      this.crosshair.style.transform = `translateX(${at}px)`;
      for (const each of found) this.say(each.trace.meta.key, each.value);
    } else {
      this.showLast();
    }
    this.showTooltip(x, at, here ? found : []);
  }

  valuesAt(x) {
    const hidden = this.board.hidden ?? new Set();
    return this.raws.filter((trace) => !hidden.has(trace.meta.key)).flatMap((trace) => {
      const at = nearest(this.xs(trace), x, !this.axis.timed);
      return at < 0 ? [] : [{ trace, value: trace.y[at], step: trace.steps[at] }];
    });
  }

  /** The values at the crosshair, greatest first; of very many those nearest to the pointer. */
  showTooltip(x, at, found) {
    this.tooltip ??= this.plot.appendChild(Object.assign(document.createElement("div"), { className: "tooltip" }));
    this.tooltip.hidden = !found.length;
    if (!found.length) return;
    const distance = (each) => Math.abs(each.value - this.height);
    const near = [...found].sort((a, b) => distance(a) - distance(b)).slice(0, MAX_TOLD);
    const lines = near.sort((a, b) => b.value - a.value).map((each) => {
      const row = document.createElement("div");
      row.append(swatch(this.smoothOf(each.trace)), `${nameAt(each.trace, each.step)} `, bold(this.valued(each.value)));
      return row;
    });
    const left = found.length - near.length;
    if (left > 0) lines.push(Object.assign(document.createElement("div"), { className: "soft", textContent: `and ${left} more` }));
    const head = Object.assign(document.createElement("div"), { className: "soft", textContent: this.axis.words(x) });
    this.tooltip.replaceChildren(head, ...lines);
    const turn = at + this.tooltip.offsetWidth + 16 > this.plot.clientWidth;
    this.tooltip.style.transform = `translateX(${turn ? Math.max(0, at - this.tooltip.offsetWidth - 8) : at + 8}px)`;
  }

  smoothOf(raw) {
    return this.figure.data[this.figure.data.indexOf(raw) + 1];
  }

  /** New points of the run. Known points that come again are let be; changed ones mean another look. */
  extend(version, series) {
    if (this.metrics.some((name) => name in series)) this.told = Math.max(this.told, version);
    if (!this.figure || this.board.zoom || version <= this.version) return;
    if (this.operands.some((name) => name in series)) this.reload(); // the server evaluates expressions
    const raws = this.raws.filter((trace) => trace.meta.metric in series);
    if (!raws.length) return;
    if (raws.some((trace) => this.isRewritten(trace, series[trace.meta.metric]))) {
      this.reload();
      return;
    }
    for (const raw of raws) this.append(raw, this.smoothOf(raw), series[raw.meta.metric]);
    this.version = version;
    this.grow();
    this.describe();
    this.stale = true;
    this.redraw();
    if (!this.autoranges || raws.some((trace) => trace.x.length > MAX_LIVE)) this.reload();
  }

  /** The axes reach as far as the newest points. */
  grow() {
    this.grown = true;
    let [low, high] = this.range;
    for (const trace of this.raws) {
      for (const x of this.xs(trace)) { // moments may go back: the last point need not lie farthest
        low = Math.min(low, x);
        high = Math.max(high, x);
      }
    }
    this.range = [low, high];
    [this.unit] = this.axis.unit(this.range[1]);
  }

  /** Whether Plotly can choose the range of the values; else the server does (backend/charts/scale.py). */
  get autoranges() {
    let [low, high] = [Infinity, -Infinity];
    for (const trace of this.raws) {
      for (const y of trace.y) {
        low = Math.min(low, y);
        high = Math.max(high, y);
      }
    }
    const largest = Math.max(Math.abs(low), Math.abs(high));
    return largest < LIMIT && (high - low > RESOLUTION * largest || largest < 1 / RESOLUTION);
  }

  /** Whether a point of the past has another value than the one drawn, or was not there. */
  isRewritten(trace, curve) {
    const last = this.lastStep.get(trace.meta.key);
    return curve.step.some((step, i) => {
      if (step > last || curve.value[i] === null) return false;
      const at = nearest(trace.steps, step);
      if (trace.steps[at] !== step) return !trace.meta.thinned;
      return Math.abs(trace.y[at] - curve.value[i]) > SAME * Math.abs(curve.value[i]);
    });
  }

  append(raw, smooth, curve) {
    const { average } = smooth.meta;
    const decay = this.board.smoothing;
    const last = this.lastStep.get(raw.meta.key);
    curve.step.forEach((step, i) => {
      if (step <= last) return;
      const value = curve.value[i];
      this.lastStep.set(raw.meta.key, step);
      if (value === null) {
        this.figure.notes.last_nan[raw.meta.key] = step;
        this.addNan(step, curve.wall_time[i], raw.meta.run);
        return;
      }
      average.mean = decay * average.mean + (1 - decay) * value;
      average.weight = decay * average.weight + (1 - decay);
      // 12 digits: rounding must not draw a constant curve as a jagged one.
      const smoothed = Number((average.mean / average.weight).toPrecision(12));
      for (const [trace, y] of [[raw, value], [smooth, smoothed]]) {
        trace.steps.push(step);
        trace.customdata?.push(curve.wall_time[i]);
        trace.y.push(y);
      }
    });
  }

  addNan(step, moment, run) {
    const marks = this.figure.data.find((trace) => trace.meta.role === "nan");
    if (marks.steps.at(-1) === step) return;
    marks.steps.push(step);
    marks.customdata?.push(moment);
    marks.meta.runs.push(run);
    marks.y.push(0);
    this.figure.notes.nan += 1;
  }

  /** Legend with the last values, and in words what the lines cannot show. */
  describe() {
    const list = this.root.querySelector(".legend");
    this.legend.clear();
    list?.replaceChildren(...this.smooths.map((trace) => {
      const item = document.createElement("li");
      const value = bold("");
      this.legend.set(trace.meta.key, value);
      item.title = trace.name;
      item.append(swatch(trace), Object.assign(document.createElement("span"), { className: "legend-name", textContent: trace.name }), value);
      return item;
    }));
    this.showLast();
    const { nan, off_scale: off, not_positive: low, undefined: none } = this.figure.notes;
    const notes = [[nan, `× ${nan} NaN`], [off, `↕ ${off} off the scale`], [low, `▿ ${low} not positive`], [none, `÷ ${none} undefined`]];
    this.root.querySelector(".notes").replaceChildren(...notes.filter(([number]) => number).map(([, text]) => {
      return Object.assign(document.createElement("span"), { className: "mark", textContent: text });
    }));
    const values = this.raws.slice(0, MAX_TOLD).map((trace) => `${trace.name} ${this.valued(trace.y.at(-1))}`).join(", ");
    this.plot.setAttribute("aria-label", `${this.title} by ${this.axis.kind}; last: ${values}`);
  }

  showLast() {
    const { last_nan: nan } = this.figure.notes;
    for (const trace of this.raws) this.say(trace.meta.key, nan[trace.meta.key] > (trace.steps.at(-1) ?? -1) ? NaN : trace.y.at(-1));
  }

  say(key, value) {
    const place = this.legend.get(key);
    if (place) place.textContent = this.valued(value);
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

/** What a line is called at a step: a mean says of how many seeds it is there (backend/charts/lines.py). */
function nameAt({ name, meta: { seeds } }, step) {
  if (!seeds) return name;
  const { label, of, steps, numbers } = seeds;
  const n = numbers[Math.max(0, steps.findLastIndex((first) => first <= step))] ?? 0;
  return `${label} (n = ${n < of ? `${n} of ${of}` : n})`;
}

function bold(text) {
  return Object.assign(document.createElement("b"), { textContent: text });
}
