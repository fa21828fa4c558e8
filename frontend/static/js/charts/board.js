// Charts that belong together: one x axis, one zoom, one crosshair, one smoothing. What the board shows
// stands in the address, so that a reload, the back button and a pasted address show the same.

import { say } from "../web/address.js";
import { ask } from "../web/api.js";
import { Axis } from "./axis.js";
import { Chart } from "./chart.js";
import { download } from "./export.js";
import { onThemeChange, readyPlotly } from "./theme.js";

const SETTLE = 250; // milliseconds after the last change before the server is asked
const SMOOTHING = 0.6;

export class Board {
  /**
   * @param {HTMLElement} root the section with the charts
   * @param {{name: string, figures: string, figure: (panel: string) => string, csv?: string, query?: () => URLSearchParams, first?: number, run?: string}} source
   *   `figures`: the address of the panels' figures; `query`: what they are asked with besides the view;
   *   `figure`: the address of one for a paper;
   *   `first`: how many figures the first request asks for, where they are large: they are there sooner;
   *   `run`: the only run, where there is one; `csv`: where a chart's points come from, if not from the API
   */
  constructor(root, source) {
    this.root = root;
    this.source = source;
    this.name = source.name;
    this.readAddress();
    this.turns = Promise.resolve();
    this.charts = [...root.querySelectorAll(".chart[data-panel]")].map((each) => new Chart(each, this));
    this.watchView();
    this.watchControls();
    if (this.charts.length) readyPlotly();
    onThemeChange(() => this.charts.forEach((chart) => chart.figure && chart.redraw()));
  }

  readAddress() {
    const given = new URLSearchParams(location.search);
    this.axis = new Axis(given.get("x") ?? "step");
    this.smoothing = Number(given.get("smooth") ?? SMOOTHING);
    this.zoom = zoomOf(given.get("from"), given.get("to"));
    this.toggled = new Set((given.get("log") ?? "").split(",").filter(Boolean)); // other scale than the panel's own
  }

  /** What the server is asked with, and what stands in the address. */
  get view() {
    return {
      x: this.axis.kind === "step" ? null : this.axis.kind,
      smooth: this.smoothing === SMOOTHING ? null : String(this.smoothing),
      from: this.zoom && String(this.zoom.low),
      to: this.zoom && String(this.zoom.high),
      log: [...this.toggled].join(",") || null,
    };
  }

  /** The same as a query. */
  viewQuery(query = new URLSearchParams()) {
    for (const [name, value] of Object.entries(this.view)) if (value !== null) query.set(name, value);
    return query;
  }

  /** The figure of a panel; what is asked for in the same moment comes together. */
  async figure(panel, signal) {
    if (!this.asking || this.asking.panels.length === this.asking.most) this.asking = this.request();
    const { asking } = this;
    asking.panels.push(panel);
    asking.signals.push(signal);
    const figures = await asking.answer;
    signal.throwIfAborted();
    return figures[panel];
  }

  /** A request that is sent once all that is wanted now is known and the one before has been answered. */
  request() {
    const request = { panels: [], signals: [], most: this.asking ? Infinity : (this.source.first ?? Infinity) };
    const before = this.asking?.answer.catch(() => {});
    request.answer = Promise.resolve(before).then(() => {
      if (this.asking === request) this.asking = undefined;
      return this.figures(request);
    });
    return request;
  }

  /** Given up once nobody wants any of them. */
  async figures({ panels, signals }) {
    const query = this.viewQuery(new URLSearchParams(this.source.query?.() ?? ""));
    for (const panel of panels) query.append("panel", panel);
    const giveUp = new AbortController();
    const leave = () => signals.every((each) => each.aborted) && giveUp.abort();
    for (const signal of signals) signal.addEventListener("abort", leave);
    leave();
    return (await ask(`${this.source.figures}?${query}`, { signal: giveUp.signal })).figures;
  }

  /** Long work of one chart after that of the other, so that the page answers in between. */
  turn(work) {
    const mine = this.turns.then(() => new Promise((go) => setTimeout(go))).then(work);
    this.turns = mine.catch(() => {});
    return mine;
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

  /** The charts are gone: look at nothing any more. */
  leave() {
    this.observer.disconnect();
    for (const chart of this.charts) chart.leaving?.abort();
  }

  watchControls() {
    const slider = this.root.querySelector("#smoothing");
    slider?.addEventListener("input", () => {
      this.smoothing = Number(slider.value);
      this.root.querySelector("#smoothing-value").textContent = this.smoothing.toFixed(2);
      this.settle();
    });
    this.root.addEventListener("change", (event) => {
      if (event.target.name !== "axis") return;
      this.axis = new Axis(event.target.value);
      this.zoom = null;
      this.settle(0);
    });
    this.root.addEventListener("submit", (event) => {
      if (!event.target.matches("[data-expressions]")) return;
      event.preventDefault(); // else the address would lose what it says of the view
      const texts = new Set([...this.expressions, event.target.querySelector("input:not([type=hidden])").value.trim()]);
      this.chartExpressions([...texts]);
    });
    this.root.addEventListener("click", (event) => {
      const removed = event.target.closest("[data-remove-expression]")?.dataset.removeExpression;
      if (removed) this.chartExpressions(this.expressions.filter((text) => text !== removed));
      const wish = event.target.closest("[data-chart]");
      const chart = this.charts.find((each) => each.root.contains(event.target));
      if (wish && chart) this.grant(wish, chart);
      if (event.target.closest("#reset-zoom")) this.zoomOut();
    });
    this.showZoom();
  }

  get expressions() {
    return new URLSearchParams(location.search).getAll("expr");
  }

  /** The page again with charts of these expressions. */
  chartExpressions(texts) {
    const address = new URL(location);
    address.searchParams.delete("expr");
    for (const text of texts) address.searchParams.append("expr", text);
    location.assign(address);
  }

  grant(wish, chart) {
    if (wish.dataset.chart !== "log") {
      download(chart, wish.dataset.chart, wish.dataset.width);
      return;
    }
    const panel = chart.root.dataset.panel;
    if (!this.toggled.delete(panel)) this.toggled.add(panel);
    wish.setAttribute("aria-pressed", String(wish.getAttribute("aria-pressed") !== "true"));
    say(this.view);
    chart.load();
  }

  /** Show what lies between two places of the x axis, at the resolution it deserves. */
  zoomTo(low, high) {
    const whole = ["step", "samples"].includes(this.axis.kind);
    this.zoom = whole ? { low: Math.max(0, Math.floor(low)), high: Math.max(1, Math.ceil(high)) } : { low, high };
    this.settle();
  }

  zoomOut() {
    this.zoom = null;
    this.settle();
  }

  showZoom() {
    const button = this.root.querySelector("#reset-zoom");
    if (button) button.hidden = !this.zoom;
  }

  settle(delay = SETTLE) {
    this.showZoom();
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      say(this.view);
      this.reload();
    }, delay);
  }

  pointAt(x, source) {
    for (const chart of this.charts) if (chart.visible) chart.pointAt(x, chart === source);
  }
}

/** The window that two parts of an address mean, turned over where it is upside down; null without one. */
function zoomOf(from, to) {
  if (from === null || to === null) return null;
  const ends = [Number(from), Number(to)];
  return ends.every(Number.isFinite) ? { low: Math.min(...ends), high: Math.max(...ends) } : null;
}
