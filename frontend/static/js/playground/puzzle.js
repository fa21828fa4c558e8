// A task as it is edited: grids as rows of numbers, and what can be done to them. Nothing here touches the page.

export const MAX_SIDE = 30;

const copied = (value) => JSON.parse(JSON.stringify(value));

export const digitsOf = (grid) => grid.map((row) => row.join("")).join("/");

export const blank = (rows, columns) => Array.from({ length: rows }, () => Array(columns).fill(0));

/** The same grid with other sides: cut, or filled up with black. */
export const resized = (grid, rows, columns) =>
  Array.from({ length: rows }, (_, r) => Array.from({ length: columns }, (_, c) => grid[r]?.[c] ?? 0));

export const mirrored = (grid) => grid.map((row) => [...row].reverse());

export const flipped = (grid) => [...grid].reverse();

/** A quarter turn to the right. */
export const turned = (grid) => grid[0].map((_, c) => grid.map((row) => row[c]).reverse());

/** The area of one colour around a cell in another. */
export function filled(grid, row, column, colour) {
  const next = copied(grid);
  const from = grid[row][column];
  const edge = from === colour ? [] : [[row, column]];
  while (edge.length) {
    const [r, c] = edge.pop();
    if (next[r]?.[c] !== from) continue;
    next[r][c] = colour;
    edge.push([r + 1, c], [r - 1, c], [r, c + 1], [r, c - 1]);
  }
  return next;
}

/** A cell put at another place; black is left behind. */
export function moved(grid, from, to) {
  const next = copied(grid);
  const colour = next[from[0]][from[1]];
  next[from[0]][from[1]] = 0;
  next[to[0]][to[1]] = colour;
  return next;
}

/** How many cells of two grids differ, in words. */
export function difference(one, other) {
  const [a, b] = [one.split("/"), other.split("/")];
  if (a.length !== b.length || a[0].length !== b[0].length) {
    return `size ${a.length}×${a[0].length} → ${b.length}×${b[0].length}`;
  }
  const cells = a.length * a[0].length;
  const changed = a.reduce((sum, row, r) => sum + [...row].filter((digit, c) => digit !== b[r][c]).length, 0);
  return changed ? `${changed} of ${cells} cells changed` : "unchanged";
}

/** A task with its name and its history. `changed(label)` is called after every change, with what it was in words. */
export class Puzzle {
  constructor(task, name, changed) {
    this.changed = changed;
    this.past = [];
    this.future = [];
    this.state = stateOf(task, name);
  }

  /** By it TRM knows the task, so it comes back with its grids. */
  get name() {
    return this.state.name;
  }

  /** In ARC's JSON. What is left out is kept beside it, where no reader of tasks looks. */
  get task() {
    const { demos, tests } = this.state;
    const train = demos.filter((each) => each.shown).map(({ input, output }) => ({ input, output }));
    const test = tests.map(({ input, output }) => (output ? { input, output } : { input }));
    const left = demos.flatMap(({ shown, input, output }, at) => (shown ? [] : [{ at, input, output }]));
    return left.length ? { train, test, left_out: left } : { train, test };
  }

  grid({ list, at, side }) {
    return this.state[list][at]?.[side] ?? null;
  }

  /** The colours in it but black, the most frequent first. */
  get colours() {
    const { demos, tests } = this.state;
    const count = Array(10).fill(0);
    for (const cell of [...demos, ...tests].flatMap(({ input, output }) => [input, output ?? []].flat(2))) count[cell] += 1;
    return count.map((_, colour) => colour).filter((colour) => colour && count[colour]).sort((a, b) => count[b] - count[a]);
  }

  /** Change the state by a function of a copy of it; whether that changed anything. */
  change(label, work) {
    const next = copied(this.state);
    work(next);
    if (JSON.stringify(next) === JSON.stringify(this.state)) return false;
    this.past.push(this.state);
    if (this.past.length > 200) this.past.shift();
    this.future = [];
    this.state = next;
    this.changed(label);
    return true;
  }

  set(where, grid, label) {
    return this.change(label, (state) => (state[where.list][where.at][where.side] = grid));
  }

  replace(task, name) {
    const state = stateOf(task, name);
    this.change(`task ${name}`, (next) => Object.assign(next, state));
  }

  undo() {
    this.step(this.past, this.future, "undone");
  }

  redo() {
    this.step(this.future, this.past, "redone");
  }

  step(from, to, label) {
    if (!from.length) return;
    to.push(this.state);
    this.state = from.pop();
    this.changed(label);
  }
}

/** What a task in ARC's JSON says; an Error in words where it is none. */
export function stateOf(content, name) {
  const parts = isObject(content) ? Object.values(content) : [];
  const task = parts.length === 1 && isObject(parts[0]) ? parts[0] : content; // Kaggle's form, of one task
  if (!isObject(task) || !arePairs(task.train) || !arePairs(task.test)) {
    throw new Error('This is not one ARC task. It has the form {"train": [pairs], "test": [pairs]}.');
  }
  const demos = task.train.map(({ input, output }) => ({ shown: true, input: checked(input), output: checked(output) }));
  for (const { at, input, output } of arePairs(task.left_out) ? task.left_out : []) {
    demos.splice(at, 0, { shown: false, input: checked(input), output: checked(output) });
  }
  const tests = task.test.map(({ input, output }) => ({ input: checked(input), output: output ? checked(output) : null }));
  return { name, demos, tests };
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

const arePairs = (list) => Array.isArray(list) && list.length > 0 && list.every(isObject);

function checked(grid) {
  const isGrid = Array.isArray(grid) && grid.length > 0 && grid.length <= MAX_SIDE && grid.every(
    (row) => Array.isArray(row) && row.length === grid[0].length && row.length > 0 && row.length <= MAX_SIDE &&
      row.every((cell) => Number.isInteger(cell) && cell >= 0 && cell <= 9),
  );
  if (!isGrid) throw new Error("A grid has 1 to 30 rows of equal length, with colours 0 to 9.");
  return copied(grid);
}
