// Heat maps of histograms over steps: a column for each step, a row for each bin, logarithmic to both sides of 0.

import { onThemeChange, colour } from "../charts/theme.js";
import { ask } from "../web/api.js";
import { significant } from "../web/words.js";

const PER_OCTAVE = 4; // bins for each power of two: backend/domain/histograms.py
const MOST_ROWS = 80; // bins on one side of 0: a millionth of the largest value is the least that has a row
const FAINT = 1e-5; // share of a step's numbers that is drawn faintest
const SMALL = 0.02; // share of the range from 5 to 95 % that is nearly nothing
const RARE = 0.001; // so large a share of all numbers may lie in the row of 0
const MARGIN = { left: 50, right: 12, top: 8, bottom: 22 };
const APART = 13; // pixels between two labels of an axis
const MEDIAN = 2; // of the quantiles 5, 25, 50, 75 and 95 %

export class Histograms {
  constructor(root, run) {
    this.root = root;
    this.run = run;
    this.figures = [];
    this.observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) this.figureOf(target)?.show(isIntersecting);
    }, { rootMargin: "120px" });
    onThemeChange(() => this.figures.forEach((each) => each.draw()));
    this.begin();
  }

  begin() {
    this.observer.disconnect();
    this.figures.forEach((each) => each.leave());
    this.figures = [...this.root.querySelectorAll("[data-histogram]")].map((each) => new HeatMap(each, this));
    for (const each of this.figures) this.observer.observe(each.root);
  }

  figureOf(root) {
    return this.figures.find((each) => each.root === root);
  }

  /** The page as it is now: other histograms take the place of these, newer ones are loaded where they are seen. */
  renew(page) {
    const fresh = page.getElementById(this.root.id);
    if (!fresh) return;
    if (namesBelow(fresh) !== namesBelow(this.root)) {
      this.root.replaceChildren(...fresh.childNodes);
      this.begin();
      return;
    }
    for (const each of fresh.querySelectorAll("[data-histogram]")) {
      this.figures.find(({ name }) => name === each.dataset.histogram)?.reached(each.dataset.last);
    }
  }

  /** The columns of one name; what is asked for in the same moment comes together. */
  async columns(name) {
    this.asking ??= { names: [], answer: Promise.resolve().then(() => this.request()) };
    this.asking.names.push(name);
    return (await this.asking.answer).histograms[name];
  }

  request() {
    const names = this.asking.names.join(",");
    this.asking = undefined;
    return ask(`/api/v1/runs/${this.run}/histograms?names=${encodeURIComponent(names)}`);
  }
}

class HeatMap {
  constructor(root, all) {
    this.root = root;
    this.all = all;
    this.name = root.dataset.histogram;
    this.last = root.dataset.last;
    this.at = null; // the column that is pointed at
    this.canvas = root.querySelector("canvas");
    this.note = root.querySelector("output");
    this.resizes = new ResizeObserver(() => this.draw());
    this.resizes.observe(this.canvas);
    this.canvas.addEventListener("pointermove", (event) => this.point(this.columnAt(event.offsetX)));
    this.canvas.addEventListener("pointerleave", () => this.point(null));
    this.canvas.addEventListener("keydown", (event) => this.pressed(event));
  }

  leave() {
    this.resizes.disconnect();
  }

  show(visible) {
    this.visible = visible;
    if (visible && this.loaded !== this.last) this.load();
  }

  reached(last) {
    this.last = this.root.dataset.last = last;
    this.show(this.visible);
  }

  async load() {
    const wanted = (this.loaded = this.last);
    try {
      this.data = await this.all.columns(this.name);
    } catch (problem) {
      if (this.loaded === wanted) this.loaded = undefined;
      this.note.textContent = `${problem.message} ${problem.hint ?? ""}`.trim();
      return;
    }
    this.rows = new Rows(this.data);
    if (this.at >= this.data.step.length) this.at = null;
    this.draw();
    this.tell();
  }

  pressed(event) {
    if (!this.data) return;
    const end = this.data.step.length - 1;
    const now = this.at ?? end;
    const next = { ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1, PageDown: now - 10, PageUp: now + 10, Home: 0, End: end }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.point(Math.min(end, Math.max(0, next)));
  }

  point(at) {
    if (!this.data || at === this.at) return;
    this.at = at;
    this.draw();
    this.tell();
  }

  /** What the chosen column says; the newest, where none is chosen. */
  tell() {
    const { step } = this.data;
    const at = this.at ?? step.length - 1;
    const text = this.words(at);
    this.note.textContent = text;
    this.canvas.setAttribute("aria-valuemax", String(step.length - 1));
    this.canvas.setAttribute("aria-valuenow", String(at));
    this.canvas.setAttribute("aria-valuetext", text);
  }

  words(at) {
    const { step, counts, quantiles, nan, infinite } = this.data;
    const parts = [`step ${step[at].toLocaleString("en")}`];
    if (quantiles[at]) {
      const [low, , median, , high] = quantiles[at].map((value) => significant(value, 2));
      parts.push(`median ${median}`, `5–95 %: ${low} to ${high}`);
    }
    const total = counts[at].reduce((sum, count) => sum + count, nan[at] + infinite[at]);
    parts.push(`${total.toLocaleString("en")} numbers`);
    if (nan[at]) parts.push(`${nan[at].toLocaleString("en")} NaN`);
    if (infinite[at]) parts.push(`${infinite[at].toLocaleString("en")} infinite`);
    return parts.join(" · ");
  }

  /** Where a column begins and ends: it holds until the next one. */
  edges(at) {
    const { step } = this.data;
    const end = step.length - 1;
    const last = end > 0 ? step[end] - step[end - 1] : 1;
    const width = this.canvas.clientWidth - MARGIN.left - MARGIN.right;
    const x = (value) => MARGIN.left + ((value - step[0]) / (step[end] + last - step[0])) * width;
    return [x(step[at]), x(at < end ? step[at + 1] : step[end] + last)];
  }

  columnAt(x) {
    if (!this.data) return null;
    const at = this.data.step.findIndex((_, index) => x < this.edges(index)[1]);
    return at < 0 ? this.data.step.length - 1 : at;
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!this.data || !width) return;
    const scale = devicePixelRatio || 1;
    [this.canvas.width, this.canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
    const pen = this.canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    const bottom = height - MARGIN.bottom;
    const y = (place) => bottom - (place / this.rows.count) * (bottom - MARGIN.top);
    this.drawCells(pen, y);
    this.drawLines(pen, y);
    this.drawAxes(pen, y, width, bottom);
  }

  drawCells(pen, y) {
    const { step, bins, counts } = this.data;
    const tones = ramp();
    for (let at = 0; at < step.length; at++) {
      const [left, right] = this.edges(at);
      const total = counts[at].reduce((sum, count) => sum + count, 0);
      for (const [row, count] of this.rows.filled(bins[at], counts[at])) {
        const level = 1 - Math.log(count / total) / Math.log(FAINT);
        pen.fillStyle = tones[Math.max(0, Math.min(tones.length - 1, Math.floor(level * tones.length)))];
        // Cells overlap by a hair, so that no gaps shine through.
        pen.fillRect(left, y(row + 1) - 0.25, right - left + 0.25, y(row) - y(row + 1) + 0.5);
      }
    }
  }

  drawLines(pen, y) {
    const { quantiles, low, high, not_finite: notFinite } = this.data;
    const line = (value, dash, tone, width) => {
      pen.beginPath();
      let drawing = false;
      for (let at = 0; at < this.data.step.length; at++) {
        const place = value(at);
        const [left, right] = this.edges(at);
        if (place === null) drawing = false;
        else pen[drawing ? "lineTo" : "moveTo"]((left + right) / 2, y(place));
        if (place !== null) drawing = true;
      }
      pen.setLineDash(dash);
      pen.strokeStyle = tone;
      pen.lineWidth = width;
      pen.stroke();
    };
    const [strong, faint] = [colour("series-6"), colour("ink-soft")];
    // What is small against the spread is drawn at 0: a logarithmic axis would make leaps of chance differences.
    const quantile = (number) => (at) => {
      const found = quantiles[at];
      if (!found) return null;
      const isNear = Math.abs(found[number]) < SMALL * (found.at(-1) - found[0]);
      return this.rows.placeOf(isNear ? 0 : found[number]);
    };
    line((at) => low[at] !== null && this.rows.floorOf(low[at]), [1, 3], faint, 1);
    line((at) => high[at] !== null && this.rows.floorOf(high[at]) + 1, [1, 3], faint, 1);
    line(quantile(0), [4, 3], strong, 1);
    line(quantile(4), [4, 3], strong, 1);
    line(quantile(MEDIAN), [], strong, 1.5);
    pen.setLineDash([]);
    pen.fillStyle = colour("danger");
    notFinite.forEach((count, at) => {
      const [left, right] = this.edges(at);
      if (count) pen.fillRect(left, 0, Math.max(2, right - left), 5);
    });
    if (this.at !== null) {
      const [left, right] = this.edges(this.at);
      pen.strokeStyle = colour("ink");
      pen.lineWidth = 1;
      pen.strokeRect(left, y(this.rows.count), Math.max(1, right - left), y(0) - y(this.rows.count));
    }
  }

  drawAxes(pen, y, width, bottom) {
    pen.strokeStyle = colour("line-strong");
    pen.fillStyle = colour("ink-soft");
    pen.lineWidth = 1;
    pen.strokeRect(MARGIN.left - 0.5, MARGIN.top - 0.5, width - MARGIN.left - MARGIN.right + 1, bottom - MARGIN.top + 1);
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    const taken = [];
    for (const [value, place] of this.rows.ticks()) {
      if (taken.some((other) => Math.abs(other - y(place)) < APART)) continue;
      pen.fillText(tickText(value), MARGIN.left - 6, y(place));
      taken.push(y(place));
    }
    pen.textBaseline = "alphabetic";
    const { step } = this.data;
    const shown = step.length > 1 ? [0, Math.floor(step.length / 2), step.length - 1] : [0];
    for (const at of shown) {
      const [left, right] = this.edges(at);
      pen.textAlign = at === 0 ? "left" : at === step.length - 1 ? "right" : "center";
      pen.fillText(step[at].toLocaleString("en"), at === step.length - 1 && at ? right : left, bottom + 15);
    }
  }
}

/** The rows of a heat map: bins of negative numbers, one row for all that is near 0, bins of positive numbers. */
class Rows {
  constructor({ bins, counts, low, high }) {
    const sizes = new Map();
    bins.forEach((column, at) => column.forEach((bin, i) => add(sizes, Math.abs(bin), counts[at][i])));
    const lowest = low.filter((bin) => bin !== null);
    const highest = high.filter((bin) => bin !== null);
    this.most = Math.max(0, ...highest); // the outermost bins of either sign
    this.least = Math.min(0, ...lowest);
    const largest = Math.max(this.most, -this.least);
    const total = [...sizes.values()].reduce((sum, count) => sum + count, 0);
    let left = RARE * total;
    let inner = Math.max(1, largest - MOST_ROWS);
    for (const size of [...sizes.keys()].sort((one, other) => one - other)) {
      if (size && size >= inner) {
        left -= sizes.get(size);
        if (left < 0) {
          inner = size;
          break;
        }
        inner = size + 1;
      }
    }
    this.inner = Math.min(inner, Math.max(1, largest)); // the smallest size that has a row of its own
    this.below = Math.max(0, -this.least - this.inner + 1); // rows of negative numbers
    const above = Math.max(0, this.most - this.inner + 1);
    this.near = 2; // rows that the one of 0 is high
    this.count = this.below + this.near + above;
  }

  /** The lower end of a bin's row. */
  floorOf(bin) {
    if (Math.abs(bin) < this.inner) return this.below;
    return bin > 0 ? this.below + this.near + bin - this.inner : this.below + bin + this.inner - 1;
  }

  /** Where a value lies between the rows. */
  placeOf(value) {
    const size = sizeOf(Math.abs(value));
    if (size < this.inner) {
      const part = Math.min(1, Math.abs(value) / edgeOf(this.inner));
      const middle = this.below + this.near / 2;
      return middle + (Math.sign(value) * part * this.near) / 2;
    }
    return value > 0 ? this.below + this.near + size - this.inner : this.below - (size - this.inner);
  }

  /** [row, count] of a column; the row of 0 is as high as `near` rows. */
  filled(bins, counts) {
    const rows = new Map();
    bins.forEach((bin, i) => add(rows, this.floorOf(bin), counts[i]));
    const near = rows.get(this.below);
    const isNear = bins.some((bin) => Math.abs(bin) < this.inner);
    if (isNear) for (let more = 1; more < this.near; more++) rows.set(this.below + more, near);
    return rows;
  }

  /** [value, place] of 0 and of powers of ten, those first that are to have a label. */
  *ticks() {
    const tens = [];
    for (let power = -38; power <= 38; power++) {
      const size = sizeOf(10 ** power);
      if (size >= this.inner) tens.push([10 ** power, size]);
    }
    yield [0, this.below + this.near / 2];
    for (const [value, size] of tens.reverse()) {
      if (size <= this.most + 1) yield [value, this.placeOf(value)];
      if (size <= 1 - this.least) yield [-value, this.placeOf(-value)];
    }
  }
}

/** The bin of a positive number, with how far into it the number lies. */
function sizeOf(number) {
  if (number < 2 ** -126) return number * 2 ** 128;
  const octave = Math.floor(Math.log2(number));
  return PER_OCTAVE * (octave + 127) + PER_OCTAVE * (number / 2 ** octave - 1);
}

/** Where a bin begins. */
function edgeOf(bin) {
  if (bin < PER_OCTAVE) return bin * 2 ** -128;
  return (PER_OCTAVE + (bin % PER_OCTAVE)) * 2 ** (Math.floor(bin / PER_OCTAVE) - 129);
}

function add(counts, key, count) {
  counts.set(key, (counts.get(key) ?? 0) + count);
}

function tickText(value) {
  const size = Math.abs(value);
  const text = size === 0 || (size >= 0.001 && size <= 1000) ? String(size) : size.toExponential(0).replace("e+", "e");
  return value < 0 ? `−${text}` : text;
}

/** Sixteen tones from the paper to the hue of data, as they are by day or by night. */
function ramp() {
  const [paper, hue] = [colour("paper"), colour("series-1")].map((tone) => [1, 3, 5].map((at) => parseInt(tone.slice(at, at + 2), 16)));
  return Array.from({ length: 16 }, (_, at) => {
    const share = 0.1 + (0.9 * at) / 15;
    return `rgb(${paper.map((value, i) => Math.round(value + (hue[i] - value) * share)).join(",")})`;
  });
}

function namesBelow(root) {
  return [...root.querySelectorAll("[data-histogram]")].map((each) => each.dataset.histogram).join(",");
}
