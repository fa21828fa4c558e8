// The playground: a task, a checkpoint, the answer; and how the answer moves as the task is changed.

import { ask } from "../web/api.js";
import { copyText } from "../web/clipboard.js";
import { currentColours, watchGrids } from "../web/grids.js";
import { icon } from "../web/icons.js";
import { Stream } from "../web/live.js";
import { blink, lookChanged, showLook } from "../web/look.js";
import { attempt, tell } from "../web/notices.js";
import { percent, significant } from "../web/words.js";
import { element, figure, showAnswers, showNeighbours } from "./answer.js";
import { Editor } from "./editor.js";
import { imported, isLink } from "./hub.js";
import { Puzzle, blank, difference, digitsOf, flipped, mirrored, resized, stateOf, turned } from "./puzzle.js";

const AFTER_A_CHANGE = 700; // milliseconds of quiet before a changed task is asked again
const STEPS = { gradient: { kind: "gradient", steps: 30 }, random: { kind: "random" }, evolutionary: { kind: "evolutionary" } };
const ID = /^[a-z0-9]{10}$/; // of a run
const LEARNED = 30; // optimiser steps of test-time training

const page = document.getElementById("play");
const start = JSON.parse(page.dataset.start);
const byId = (id) => document.getElementById(id);
const mayAsk = document.body.dataset.role !== "viewer";
const form = byId("ask");

let active = { list: "demos", at: 0, side: "input" }; // the grid in the editor
let pending; // the play that is waited for: {id, label, stream, isAnswered, isLinked}
const earlier = []; // linked plays that were waited for before it, and whose answers still come
const opened = page.dataset.play ? JSON.parse(page.dataset.play) : null; // the play whose link this is
let shown; // the play whose answer stands there
let turn = Promise.resolve(); // plays are asked one after another
let timesAsked = 0;
let offered; // the name of the task, as it was put into the form that saves it
let moves = []; // {label, play, grid}: answers of this visit; the first is what the others are compared with
let timer;
let lastLabel = "as given"; // what was changed since the last answer

const puzzle = new Puzzle(start.task, start.name, (label) => {
  lastLabel = label;
  showPuzzle();
  clearTimeout(timer);
  const isAsked = moves.length || (pending && !pending.isAnswered);
  if (isAsked && byId("again").checked && mayAsk) timer = setTimeout(() => send(), AFTER_A_CHANGE);
});

const editor = new Editor(
  byId("editor"),
  (grid, what) => puzzle.set(active, grid, `${nameOf(active)}: ${what}`),
  (text) => (byId("cell-said").textContent = text),
);

function nameOf({ list, at, side }) {
  return `${list === "demos" ? "demonstration" : "test"} ${at + 1}, ${side}`;
}

// The task.

function showPuzzle() {
  const focused = Object.entries(document.activeElement?.dataset ?? {}); // it is drawn again, and keeps the focus
  const { demos, tests } = puzzle.state;
  const list = puzzle.state[active.list];
  active.at = Math.min(active.at, list.length - 1);
  if (!puzzle.grid(active)) active.side = "input";
  byId("pairs").replaceChildren(...demos.map(demonstration), ...tests.map(test));
  watchGrids(byId("pairs"));
  const again = focused.map(([name, value]) => `[data-${name}="${value}"]`).join("");
  if (again) byId("pairs").querySelector(again)?.focus({ preventScroll: true });
  const grid = puzzle.grid(active);
  editor.show(grid);
  byId("editing").textContent = `Editing ${nameOf(active)}`;
  byId("rows").value = grid.length;
  byId("columns").value = grid[0].length;
  byId("truth-known").hidden = active.list !== "tests";
  byId("knows-truth").checked = active.list === "tests" && Boolean(tests[active.at].output);
  page.querySelector('[data-tool="copy"]').disabled = active.side !== "output";
  if (offered !== puzzle.name) byId("save").elements.id.value = offered = puzzle.name;
  page.querySelector('[data-task="undo"]').disabled = !puzzle.past.length;
  page.querySelector('[data-task="redo"]').disabled = !puzzle.future.length;
}

function demonstration(pair, at, all) {
  const name = `demonstration ${at + 1}`;
  const box = element("input", { type: "checkbox", checked: pair.shown, ariaLabel: `Show ${name}` });
  box.dataset.shown = at;
  const tools = [element("label", { className: "control-set small" }, box, ` ${at + 1}`)];
  if (at + 1 < all.length) tools.push(button("swap", at, "⇄", `Swap demonstrations ${at + 1} and ${at + 2}`));
  if (all.length > 1) tools.push(button("remove-demos", at, "×", `Remove ${name}`));
  const made = card(name, tools, grid("demos", at, "input", pair.input), grid("demos", at, "output", pair.output));
  made.classList.toggle("is-left-out", !pair.shown);
  return made;
}

function test(pair, at, all) {
  const tools = [element("span", { className: "small" }, `Test ${at + 1}`)];
  if (all.length > 1) tools.push(button("remove-tests", at, "×", `Remove test input ${at + 1}`));
  const output = pair.output ? grid("tests", at, "output", pair.output) : element("span", { className: "play-unknown", title: "The output is not given" }, "?");
  const made = card(`test ${at + 1}`, tools, grid("tests", at, "input", pair.input), output);
  made.classList.add("is-test");
  return made;
}

function card(name, tools, input, output) {
  return element("div", { className: "play-pair", role: "group", ariaLabel: name }, element("div", { className: "play-pair-head" }, ...tools),
    element("div", { className: "play-grids" }, input, icon("arrow"), output));
}

function button(action, at, text, words) {
  const made = element("button", { type: "button", className: "button is-small is-quiet", title: words, ariaLabel: words }, text);
  made.dataset.pair = action;
  made.dataset.at = at;
  return made;
}

function grid(list, at, side, rows) {
  const where = { list, at, side };
  const drawn = figure(digitsOf(rows), side, { side: 92 });
  const made = element("button", { type: "button", className: "play-grid", ariaLabel: `Edit ${nameOf(where)}` }, drawn.querySelector("img"));
  Object.assign(made.dataset, { grid: list, at, side });
  if (list === active.list && at === active.at && side === active.side) made.setAttribute("aria-current", "true");
  return made;
}

const CHANGES = {
  "add-demonstration": () => puzzle.change("demonstration added", ({ demos }) => demos.push({ shown: true, input: blank(3, 3), output: blank(3, 3) })),
  "add-test": () => puzzle.change("test input added", ({ tests }) => tests.push({ input: blank(3, 3), output: null })),
  undo: () => puzzle.undo(),
  redo: () => puzzle.redo(),
  recolour: () => {
    const [a, b] = [Number(byId("colour-a").value), Number(byId("colour-b").value)];
    const swapped = (rows) => rows && rows.map((row) => row.map((cell) => (cell === a ? b : cell === b ? a : cell)));
    const isChanged = puzzle.change(`colours ${a} and ${b} swapped`, (state) => {
      for (const pair of [...state.demos, ...state.tests]) Object.assign(pair, { input: swapped(pair.input), output: swapped(pair.output) });
    });
    if (!isChanged) tell("Nothing to swap.", { hint: a === b ? "Choose two colours." : `The task has neither colour ${a} nor ${b}.`, kind: "recolour" });
  },
};

const PAIRS = {
  swap: (at) => puzzle.change(`demonstrations ${at + 1} and ${at + 2} swapped`, ({ demos }) => demos.splice(at, 2, demos[at + 1], demos[at])),
  "remove-demos": (at) => mayGo(at) && puzzle.change(`demonstration ${at + 1} removed`, ({ demos }) => demos.splice(at, 1)),
  "remove-tests": (at) => puzzle.change(`test ${at + 1} removed`, ({ tests }) => tests.splice(at, 1)),
};

const SHAPES = { mirror: mirrored, flip: flipped, turn: turned, clear: (rows) => blank(rows.length, rows[0].length) };
const SHAPED = { mirror: "mirrored ↔", flip: "mirrored ↕", turn: "turned", clear: "cleared" };
const TOOLS = { d: "draw", f: "fill", m: "move", h: "mirror", v: "flip", r: "turn", c: "copy" };

function tool(name) {
  if (name in SHAPES) {
    const isChanged = puzzle.set(active, SHAPES[name](puzzle.grid(active)), `${nameOf(active)}: ${SHAPED[name]}`);
    if (!isChanged) byId("cell-said").textContent = `${SHAPED[name]}: the grid stays as it is`;
  } else if (name === "copy") {
    if (active.side === "output") puzzle.set(active, puzzle.grid({ ...active, side: "input" }), `${nameOf(active)}: copied from the input`);
  } else {
    editor.use(name);
    for (const each of page.querySelectorAll("[data-tool][aria-pressed]")) each.setAttribute("aria-pressed", String(each.dataset.tool === name));
  }
}

function colour(chosen) {
  editor.colour = chosen;
  page.querySelector(`[name="colour"][value="${chosen}"]`).checked = true;
}

/** The palette is of the user's choice, in the editor as in every grid. */
function showColours() {
  for (const each of page.querySelectorAll('[name="colour"]')) {
    const swatch = each.closest("label");
    swatch.style.setProperty("--play-colour", currentColours()[each.value]);
    swatch.style.setProperty("--play-ink", "019".includes(each.value) ? "#ffffff" : "#000000");
  }
  editor.draw();
}

page.addEventListener("click", (event) => {
  const at = event.target.closest("button");
  if (!at) return;
  if (at.dataset.grid) {
    active = { list: at.dataset.grid, at: Number(at.dataset.at), side: at.dataset.side };
    showPuzzle();
    page.querySelector('.play-grid[aria-current="true"]').focus({ preventScroll: true });
  }
  if (at.dataset.task) CHANGES[at.dataset.task]();
  if (at.dataset.pair) PAIRS[at.dataset.pair](Number(at.dataset.at));
  if (at.dataset.tool) tool(at.dataset.tool);
});

page.addEventListener("change", ({ target }) => {
  lookChanged(target);
  if (target.id === "palette" || target.id === "show-digits") showColours();
  if (target.name === "colour") colour(Number(target.value));
  if (target.dataset.shown) leaveOut(Number(target.dataset.shown), target);
  if (target.id === "rows" || target.id === "columns") resize();
  if (target.id === "knows-truth") know(target.checked);
  if (target.name === "run") attempt(offerSteps, "run");
  if (target.name === "set" && target.form?.id === "pick") attempt(offerTasks, "pick");
});

/** Whether others are shown besides this demonstration; says so where none are. */
function mayGo(at) {
  const othersStay = puzzle.state.demos.some((each, other) => each.shown && other !== at);
  if (!othersStay) tell("One demonstration has to stay.");
  return othersStay;
}

function leaveOut(at, box) {
  if (!box.checked && !mayGo(at)) {
    box.checked = true;
    return;
  }
  puzzle.change(`demonstration ${at + 1} ${box.checked ? "shown again" : "left out"}`, ({ demos }) => (demos[at].shown = box.checked));
}

function resize() {
  const [rows, columns] = ["rows", "columns"].map((id) => Math.min(30, Math.max(1, Math.round(Number(byId(id).value)) || 1)));
  puzzle.set(active, resized(puzzle.grid(active), rows, columns), `${nameOf(active)}: ${rows}×${columns}`);
  showPuzzle();
}

function know(isKnown) {
  const { at } = active;
  puzzle.change(`output of test ${at + 1} ${isKnown ? "given" : "taken away"}`, ({ tests }) => {
    tests[at].output = isKnown ? tests[at].input.map((row) => row.map(() => 0)) : null;
  });
  if (isKnown) {
    active = { list: "tests", at, side: "output" };
    showPuzzle();
  }
}

document.addEventListener("keydown", (event) => {
  const isField = event.target.matches("input:not([type=checkbox], [type=radio]), select, textarea");
  if (isField || document.querySelector("dialog[open]")) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
    event.preventDefault();
    if (event.shiftKey) puzzle.redo();
    else puzzle.undo();
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target !== editor.canvas) return;
  if (/^[0-9]$/.test(event.key)) colour(Number(event.key));
  if (event.key in TOOLS) tool(TOOLS[event.key]);
});

// Picking, pasting, saving.

byId("pick").addEventListener("submit", (event) => {
  event.preventDefault();
  const { set, task } = event.target.elements;
  attempt(async () => {
    const found = await ask(`/api/v1/sets/${set.value}/tasks/${encodeURIComponent(task.value.trim())}`);
    const rows = (digits) => digits.split("/").map((row) => [...row].map(Number));
    const pair = ({ input, output }) => (output === null ? { input: rows(input) } : { input: rows(input), output: rows(output) });
    begin({ train: found.demonstrations.map(pair), test: found.tests.map(pair) }, found.id);
  }, "pick");
});

byId("paste").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(() => {
    let task;
    try {
      task = JSON.parse(event.target.elements.json.value);
    } catch (error) {
      throw new Error(`This is not JSON: ${error.message}`);
    }
    begin(task, "pasted");
  }, "paste");
});

byId("to-json").addEventListener("click", () => {
  const text = JSON.stringify(puzzle.task);
  byId("paste").elements.json.value = text;
  copyText(text, "the task as JSON");
});

/** Another task: its answers are compared with its own first one. */
function begin(task, name) {
  stateOf(task, name); // an Error before anything is given up
  active = { list: "demos", at: 0, side: "input" };
  attempt(drop);
  for (const { stream } of earlier.splice(0)) stream.end();
  moves = [];
  showMoves();
  puzzle.replace(task, name);
  offerColours();
}

byId("save").addEventListener("submit", (event) => {
  event.preventDefault();
  const { set, id } = event.target.elements;
  attempt(async () => {
    const { train, test: tests } = puzzle.task;
    const path = set.value.trim().split("/").map(encodeURIComponent).join("/");
    await ask(`/api/v1/sets/${path}/tasks`, { method: "POST", body: { id: id.value.trim(), task: { train, test: tests } } });
    tell(`Saved ${id.value.trim()} in ${set.value.trim()}.`, { hint: "It stands under Tasks.", kind: "saved" });
  }, "save");
});

/** Two colours of the task to swap. */
function offerColours() {
  const [a = 1, b = a === 2 ? 1 : 2] = puzzle.colours;
  byId("colour-a").value = a;
  byId("colour-b").value = b;
}

async function offerTasks() {
  const ids = await ask(`/api/v1/sets/${byId("pick").elements.set.value}/tasks`);
  byId("pick-tasks").replaceChildren(...ids.map((id) => element("option", { value: id })));
}

async function offerSteps() {
  const { run, step } = form.elements;
  const text = run.value.trim();
  byId("import").hidden = !isLink(text);
  const known = [...byId("play-runs").options];
  const called = known.filter((each) => each.value === text);
  if (!called.length) called.push(...known.filter((each) => each.dataset.name === text));
  byId("run-said").textContent = called.length > 1 ? `${called.length} runs are called ${text}: choose one by its id.` : (called[0]?.textContent ?? "");
  const id = called.length === 1 ? called[0].value : ID.test(text) ? text : ""; // the newest of any other
  const found = id ? await ask(`/api/v1/runs/${id}/checkpoints`) : [];
  const options = found.map((each) => element("option", { value: String(each.step) }, [`step ${each.step.toLocaleString("en")}`, ...each.aliases].join(" · ")));
  step.replaceChildren(element("option", { value: "" }, "newest"), ...options);
}

// Asking.

form.elements.run.addEventListener("input", ({ target }) => (byId("import").hidden = !isLink(target.value.trim())));

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});

byId("cancel").addEventListener("click", () => attempt(cancel));

function request() {
  const { run, step, views, weights, act_steps: actSteps, search, adaptation } = form.elements;
  const learns = { kind: adaptation.value, steps: LEARNED, augmentations: Number(views.value) - 1 };
  return {
    task: puzzle.task,
    name: puzzle.name,
    run: run.value.trim(),
    step: step.value || null,
    views: Number(views.value),
    weights: weights.value,
    act_steps: actSteps.value ? Number(actSteps.value) : null,
    search: asOpened("search", search.value) ?? STEPS[search.value] ?? null,
    adaptation: asOpened("adaptation", adaptation.value) ?? (adaptation.value ? learns : null),
  };
}

/** All settings of a method that the link names, of which the page shows the kind alone. */
function asOpened(section, kind) {
  const asked = opened?.request[section];
  return kind && asked?.kind === kind ? asked : null;
}

/** Ask what stands there. While a question is on its way, of several more only the last is asked. */
function send() {
  clearTimeout(timer);
  const number = ++timesAsked;
  turn = turn.then(() => number === timesAsked && sendNow());
}

async function sendNow() {
  const label = moves.length ? lastLabel : "as given";
  await attempt(drop);
  await attempt(async () => {
    lastLabel = "asked again";
    const play = await createPlay().catch((problem) => {
      say("");
      throw problem;
    });
    history.replaceState(null, "", `/play/${play.id}`);
    byId("copy-link").disabled = false;
    follow(play, label);
  }, "ask");
}

/** The play of what stands there; a link is imported first. */
async function createPlay() {
  const { run, preset, holds } = form.elements;
  const link = run.value.trim();
  if (isLink(link)) {
    run.value = await imported(link, preset.value, holds.value, say);
    await offerSteps();
  }
  say("Asking…");
  return ask("/api/v1/plays", { method: "POST", body: request() });
}

/** Wait for the pending one no more. Nobody else does either, unless it has a link: then its answer still comes. */
async function drop() {
  if (!pending) return;
  if (pending.isLinked && !pending.isAnswered) {
    earlier.push(pending);
    pending = undefined;
    byId("cancel").hidden = true;
  } else {
    await cancel();
  }
}

async function cancel() {
  const { id, stream, isAnswered } = pending;
  stream?.end();
  pending = undefined;
  byId("cancel").hidden = true;
  if (isAnswered) return;
  say("Cancelled.");
  showNothing("ended");
  await ask(`/api/v1/plays/${id}/cancel`, { method: "POST" });
}

/** Show a play and what becomes of it, also where it is answered already. */
function follow(play, label, isLinked = false) {
  const own = (pending = { id: play.id, label, isAnswered: false, isLinked });
  byId("cancel").hidden = !mayAsk;
  hear(play, own);
  if (isOver(play)) return;
  own.stream = new Stream(() => `/api/v1/plays/${play.id}/events`, {
    play: (now) => hear(now, own),
    end: ({ deleted }) => {
      own.stream.end();
      if (deleted && pending === own) say("This play was deleted.", true);
    },
  });
}

const isWaiting = (play) => play.status === "queued" || play.status === "running";
const isOver = (play) => !isWaiting(play) && (play.status !== "finished" || play.neighbours !== null);

function hear(play, own) {
  const isFirst = !own.isAnswered;
  own.isAnswered = !isWaiting(play);
  own.isLinked ||= play.kept;
  if (play.status === "finished" && isFirst) remember(play, own.label);
  if (play.status === "finished" && !isFirst) hearNeighbours(play);
  if (pending !== own) {
    if (own.isAnswered) own.stream.end();
    if (play.status === "finished" && !shown) draw(play);
    return;
  }
  if (own.isAnswered) byId("cancel").hidden = true;
  if (play.status === "finished") {
    if (isFirst) show(play);
    return;
  }
  showNothing(own.isAnswered ? "ended" : "waiting");
  if (play.status === "queued") say(`Waiting: ${play.waiting_for}.`);
  if (play.status === "running") say("A worker is answering…");
  if (play.status === "failed") say(`No answer: ${play.status_cause}`, true);
  if (play.status === "cancelled") say("Cancelled.");
}

/** They come a moment after the answer. */
function hearNeighbours(play) {
  const move = moves.find((each) => each.play.id === play.id);
  if (move) move.play = play;
  if (shown?.id !== play.id) return;
  shown = play;
  showNeighbours(byId("answers"), play);
}

/** What stands in the place of the answer until there is one: "waiting", or "ended" without one. */
function showNothing(state) {
  const place = byId("answers").querySelector(".play-nothing");
  if (place) place.textContent = place.dataset[state];
}

function show(play) {
  const loaded = play.load_seconds ? `loaded the checkpoint in ${seconds(play.load_seconds)}` : "had the checkpoint in memory";
  const parts = `waited ${seconds(play.waited_seconds)}, ${loaded}, computed in ${seconds(play.compute_seconds)}`;
  say(`Answered in ${seconds(play.waited_seconds + play.seconds)} on ${play.device}: ${parts}.`);
  draw(play);
}

const seconds = (number) => (number < 0.01 ? "< 0.01" : significant(number, 2)) + "\u202fs";

function draw(play) {
  shown = play;
  showAnswers(byId("answers"), play);
}

function say(text, bad = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("is-bad", bad);
}

// How the answer moves.

function remember(play, label) {
  const grid = play.answers[0]?.candidates[0]?.grid ?? "";
  moves.push({ label, play, grid, agreement: play.answers[0]?.agreement });
  moves.sort((one, other) => one.play.created_at - other.play.created_at); // that of a link may come after the next
  showMoves();
}

function showMoves() {
  byId("moves").hidden = moves.length < 2;
  const base = moves[0]?.grid;
  byId("moves-said").textContent = moves.length > 1 ? `compared with the first answer: ${difference(base, moves.at(-1).grid)}` : "";
  byId("moves-strip").replaceChildren(...moves.map((move, at) => {
    const words = at ? difference(base, move.grid) : "first answer";
    const drawn = figure(move.grid, move.label, { against: at ? base : "", side: 76 });
    const made = element("button", { type: "button", className: "step", title: `${move.label}: ${words}` }, drawn,
      element("span", { className: "small soft" }, `${words} · ${percent(move.agreement, 0)} agree`));
    made.addEventListener("click", () => attempt(() => review(move)));
    return element("li", {}, made);
  }));
  watchGrids(byId("moves-strip"));
}

/** An earlier answer. The page has not waited for its neighbours. */
async function review(move) {
  if (!move.play.neighbours) move.play = await ask(`/api/v1/plays/${move.play.id}`);
  if (pending && !pending.isAnswered) draw(move.play); // the status is that of the one that is waited for
  else show(move.play);
}

byId("copy-link").addEventListener("click", () => attempt(async () => {
  const id = location.pathname.split("/")[2];
  if (mayAsk) await ask(`/api/v1/plays/${id}/keep`, { method: "POST" });
  if (pending?.id === id) pending.isLinked = true;
  await copyText(`${location.origin}/play/${id}`, "a link to this task and its answer");
}));

// The beginning.

function restore(asked) {
  const { run, step, views, weights, act_steps: actSteps, search, adaptation } = form.elements;
  run.value = start.run || run.value;
  if (start.step) choose(step, start.step);
  attempt(async () => {
    await offerSteps();
    if (start.step) choose(step, start.step);
  }, "run");
  if (!asked) return;
  choose(views, String(asked.views));
  weights.value = asked.weights;
  actSteps.value = asked.act_steps ?? "";
  search.value = asked.search?.kind ?? "";
  adaptation.value = asked.adaptation?.kind ?? "";
}

/** Also what the page does not offer: it was asked on the command line, or the list is still on its way. */
function choose(select, value) {
  if (![...select.options].some((each) => each.value === value)) select.append(element("option", { value }, value));
  select.value = value;
}

showLook(document);
byId("blink").addEventListener("click", (event) => blink(event.currentTarget));
for (const each of page.querySelectorAll("[data-editor-only]")) each.disabled = !mayAsk;
showColours();
showPuzzle();
offerColours();
restore(opened?.request);
if (byId("pick").elements.set.value) attempt(offerTasks);
if (opened) {
  byId("copy-link").disabled = false;
  follow(opened, "as given", true);
}
page.classList.add("is-ready");
