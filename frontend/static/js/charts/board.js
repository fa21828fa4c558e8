// All charts of a run: one x axis, one zoom, one crosshair, one smoothing.

import { Axis } from "./axis.js";
import { Chart } from "./chart.js";
import { download } from "./export.js";
import { onThemeChange } from "./theme.js";

const SETTLE = 250; // milliseconds after the last change before the server is asked

export class Board {
  /** @param {HTMLElement} root the curves section @param {{id: string, name: string, start: number}} run */
  constructor(root, run) {
    this.root = root;
    this.run = run.id;
    this.name = run.name;
    this.axis = new Axis("step", run.start);
    this.smoothing = 0.6;
    this.zoom = null; // {first, last} in steps
    this.charts = [...root.querySelectorAll(".chart")].map((each) => new Chart(each, this));
    this.watchView();
    this.watchControls();
    onThemeChange(() => this.charts.forEach((chart) => chart.figure && chart.draw()));
  }

  get metrics() {
    return new Set(this.charts.flatMap((chart) => chart.metrics));
  }

  /** New points of any metrics; each chart takes its own. */
  extend(version, series) {
    for (const chart of this.charts) chart.extend(version, series);
  }

  reload() {
    for (const chart of this.charts) {
      if (chart.visible) chart.load();
      else chart.figure = undefined;
    }
  }

  watchView() {
    const byRoot = new Map(this.charts.map((chart) => [chart.root, chart]));
    this.observer = new IntersectionObserver((entries) => {
      for (const entry of entries) byRoot.get(entry.target).show(entry.isIntersecting);
    }, { rootMargin: "120px" });
    for (const chart of this.charts) this.observer.observe(chart.root);
  }

  watchControls() {
    const slider = this.root.querySelector("#smoothing");
    let settling;
    slider?.addEventListener("input", () => {
      this.smoothing = Number(slider.value);
      this.root.querySelector("#smoothing-value").textContent = this.smoothing.toFixed(2);
      clearTimeout(settling);
      settling = setTimeout(() => this.reload(), SETTLE);
    });
    this.root.addEventListener("change", (event) => {
      if (event.target.name !== "axis") return;
      this.axis = new Axis(event.target.value, this.axis.start);
      for (const chart of this.charts.filter((each) => each.figure)) chart.take(chart.figure);
      for (const chart of this.charts.filter((each) => each.figure)) chart.render();
    });
    this.root.addEventListener("click", (event) => {
      const wish = event.target.closest("[data-chart]");
      const chart = this.charts.find((each) => each.root.contains(event.target));
      if (wish && chart) this.grant(wish, chart);
      if (event.target.id === "reset-zoom") this.zoomOut();
    });
  }

  grant(wish, chart) {
    if (wish.dataset.chart !== "log") {
      download(chart, wish.dataset.chart);
      return;
    }
    chart.log = !chart.log;
    wish.setAttribute("aria-pressed", String(chart.log));
    chart.load();
  }

  /** Show the steps between two places of the x axis, at the resolution they deserve. */
  zoomTo(chart, from, to) {
    const [trace] = chart.smooths;
    const stepAt = (x, round) => (this.axis.kind === "step" ? round(x) : this.stepAt(trace, x));
    this.zoom = { first: Math.max(0, stepAt(from, Math.floor)), last: Math.max(1, stepAt(to, Math.ceil)) };
    this.applyZoom();
  }

  zoomOut() {
    this.zoom = null;
    this.applyZoom();
  }

  applyZoom() {
    this.root.querySelector("#reset-zoom").hidden = !this.zoom;
    clearTimeout(this.zooming);
    this.zooming = setTimeout(() => this.reload(), SETTLE);
  }

  /** The zoomed part of the x axis, as a trace has it. */
  range(trace) {
    if (this.axis.kind === "step" || !trace) return [this.zoom.first, this.zoom.last];
    const xs = this.axis.xs(trace);
    const inside = xs.filter((_, i) => trace.steps[i] >= this.zoom.first && trace.steps[i] <= this.zoom.last);
    return inside.length ? [inside[0], inside.at(-1)] : [0, 1];
  }

  stepAt(trace, x) {
    const at = this.axis.xs(trace).findIndex((each) => each >= x);
    return trace.steps[at < 0 ? trace.steps.length - 1 : at];
  }

  pointAt(x, source) {
    for (const chart of this.charts) if (chart.visible) chart.pointAt(x, chart === source);
  }
}
