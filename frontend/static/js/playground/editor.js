// One grid to draw in, by pointer, finger or keyboard.

import { currentColours, currentDigits } from "../web/grids.js";
import { filled, moved } from "./puzzle.js";

const LINE = "#555555";
const LARGEST = 48; // CSS pixels of a cell
const MAX_HEIGHT = 420; // of the whole
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

export class Editor {
  /** `changed(grid, what)` hears of every finished stroke; `told(text)` of what a screen reader should say. */
  constructor(canvas, changed, told) {
    this.canvas = canvas;
    this.changed = changed;
    this.told = told;
    this.colour = 1;
    this.tool = "draw";
    this.cursor = [0, 0];
    this.held = null; // the cell that is being moved
    this.grid = [[0]];
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    canvas.addEventListener("pointerup", (event) => this.release(event));
    canvas.addEventListener("pointercancel", () => this.show(this.before ?? this.grid));
    canvas.addEventListener("keydown", (event) => this.key(event));
    for (const kind of ["focus", "blur"]) canvas.addEventListener(kind, () => this.draw());
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
  }

  /** Edit another grid. */
  show(grid) {
    this.grid = grid.map((row) => [...row]);
    this.before = null;
    this.held = null;
    this.cursor = [Math.min(this.cursor[0], grid.length - 1), Math.min(this.cursor[1], grid[0].length - 1)];
    this.draw();
  }

  use(tool) {
    this.tool = tool;
    this.held = null;
    this.draw();
  }

  press(event) {
    if (event.button) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.before = this.grid.map((row) => [...row]);
    this.cursor = this.cellAt(event);
    if (this.tool === "move") this.held = this.cursor;
    else if (this.tool === "fill") this.grid = filled(this.grid, ...this.cursor, this.colour);
    else this.paint();
    this.draw();
  }

  drag(event) {
    if (!this.before) return;
    const cell = this.cellAt(event);
    if (cell.join() === this.cursor.join()) return;
    const from = this.cursor;
    this.cursor = cell;
    if (this.tool === "draw") for (const each of between(from, cell)) this.grid[each[0]][each[1]] = this.colour;
    this.draw();
  }

  release() {
    if (!this.before) return;
    if (this.tool === "move" && this.held) this.grid = moved(this.grid, this.held, this.cursor);
    const what = this.tool === "move" ? "cell moved" : this.tool === "fill" ? "area filled" : "drawn";
    this.held = this.before = null;
    this.finish(what);
  }

  paint() {
    this.grid[this.cursor[0]][this.cursor[1]] = this.colour;
  }

  finish(what) {
    this.draw();
    this.changed(this.grid, what);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in STEPS) {
      const [down, right] = STEPS[event.key];
      this.cursor = [clamped(this.cursor[0] + down, this.grid.length), clamped(this.cursor[1] + right, this.grid[0].length)];
      this.draw();
      this.say();
    } else if (event.key === " " || event.key === "Enter") {
      this.act();
    } else return;
    event.preventDefault();
  }

  /** What the tool does at the cursor, by key. */
  act() {
    if (this.tool === "move" && !this.held) {
      this.held = this.cursor;
      this.draw();
      this.told("Cell picked up. Put it down with Space.");
      return;
    }
    if (this.tool === "move") this.grid = moved(this.grid, this.held, this.cursor);
    else if (this.tool === "fill") this.grid = filled(this.grid, ...this.cursor, this.colour);
    else this.paint();
    const what = this.tool === "move" ? "cell moved" : this.tool === "fill" ? "area filled" : "drawn";
    this.held = null;
    this.finish(what);
    this.say();
  }

  say() {
    const [row, column] = this.cursor;
    this.told(`Row ${row + 1}, column ${column + 1}: colour ${this.grid[row][column]}`);
  }

  cellAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const row = Math.floor(((event.clientY - box.top) / box.height) * this.grid.length);
    const column = Math.floor(((event.clientX - box.left) / box.width) * this.grid[0].length);
    return [clamped(row, this.grid.length), clamped(column, this.grid[0].length)];
  }

  draw() {
    const [rows, columns] = [this.grid.length, this.grid[0].length];
    const room = this.canvas.parentElement.clientWidth;
    const cell = Math.max(6, Math.min(LARGEST, Math.floor((room - 2) / columns), Math.floor(MAX_HEIGHT / rows)));
    const ratio = Math.max(1, Math.round(devicePixelRatio));
    const size = cell * ratio;
    this.canvas.width = columns * size + ratio;
    this.canvas.height = rows * size + ratio;
    this.canvas.style.width = `${columns * cell + 1}px`;
    this.canvas.style.height = `${rows * cell + 1}px`;
    const pen = this.canvas.getContext("2d");
    const colours = currentColours();
    pen.fillStyle = LINE;
    pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.grid.forEach((row, r) => row.forEach((colour, c) => {
      pen.fillStyle = colours[colour];
      pen.fillRect(c * size + ratio, r * size + ratio, size - ratio, size - ratio);
      if (!currentDigits()) return;
      pen.font = `${Math.floor(size * 0.5)}px ui-monospace, monospace`;
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      pen.fillStyle = [0, 1, 2, 6, 9].includes(colour) ? "#ffffff" : "#000000";
      pen.fillText(colour, (c + 0.54) * size, (r + 0.56) * size);
    }));
    if (this.held) this.frame(pen, this.held, size, ratio, [4, 3]);
    if (document.activeElement === this.canvas || this.before) this.frame(pen, this.cursor, size, ratio, []);
  }

  /** White within black: seen on every colour. */
  frame(pen, [row, column], size, ratio, dash) {
    const side = size - ratio;
    pen.setLineDash(dash.map((each) => each * ratio));
    for (const [colour, width, inset] of [["#000000", 4, 2], ["#ffffff", 2, 2]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width * ratio;
      pen.strokeRect(column * size + ratio + inset, row * size + ratio + inset, side - 2 * inset, side - 2 * inset);
    }
    pen.setLineDash([]);
  }
}

const clamped = (at, length) => Math.min(Math.max(at, 0), length - 1);

/** The cells on the way: a fast finger skips some. */
function between([r0, c0], [r1, c1]) {
  const steps = Math.max(Math.abs(r1 - r0), Math.abs(c1 - c0), 1);
  return Array.from({ length: steps + 1 }, (_, at) => [
    Math.round(r0 + ((r1 - r0) * at) / steps),
    Math.round(c0 + ((c1 - c0) * at) / steps),
  ]);
}
