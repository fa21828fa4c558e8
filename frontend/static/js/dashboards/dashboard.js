// A dashboard: live panels, which one can add, move, resize, change and remove by mouse and by keyboard.

import { given, say } from "../web/address.js";
import { ask, askPage } from "../web/api.js";
import { Board } from "../charts/board.js";
import { offerPaper } from "../charts/export.js";
import { icon } from "../web/icons.js";
import { followRuns, throttled } from "../web/live.js";
import { attempt, confirm, tell } from "../web/notices.js";
import { askWhose } from "./conflict.js";
import { exportPanels } from "./panel_export.js";

const RENEW_EVERY = 5000; // milliseconds between two looks at active runs
const SAVE_AFTER = 600;
const COLUMNS = 12;
const LEAST_WIDTH = 2;
const MAX_HEIGHT = 16;
const ROW = 72 + 16; // pixels, with the gap
const DEFAULTS = {
  curves: { width: 6, height: 4, metric: "accuracy/token", by: "seed" },
  bars: { width: 6, height: 4, measure: "pass@1" },
  table: { width: 12, height: 5, table: "results", by: "seed", at: "newest" },
  grids: { width: 12, height: 6, task: "", most: 4 },
  scatter: { width: 6, height: 6, x: "created", y: "accuracy/token", colour: "encoder", marks: "run" },
  prose: { width: 12, height: 2, text: "" },
};

class Dashboard {
  constructor(root) {
    this.root = root;
    this.slug = root.dataset.slug;
    this.version = Number(root.dataset.version);
    this.content = JSON.parse(root.dataset.content);
    this.name = root.dataset.name;
    this.grid = document.getElementById("board");
    this.newBoard();
    offerPaper(document.getElementById("paper"), `/api/v1/dashboards/${this.slug}/paper`, () => this.board);
    this.watchHead();
    this.watchPanels();
    this.follow();
    if (given("edit")) this.edit(true);
  }

  newBoard() {
    this.board?.leave();
    const address = `/api/v1/dashboards/${this.slug}`;
    const figure = (panel) => `${address}/panels/${panel}/figure`;
    this.board = new Board(this.root, { name: this.name, figures: `/d/${this.slug}/figures`, figure });
    exportPanels(this.root, (panel) => `/d/${this.slug}/panels/${panel}.csv`, (panel) => `${address}/panels/${panel}`);
  }

  // Saving -----------------------------------------------------------------------------------------

  save() {
    this.saving = (this.saving ?? Promise.resolve()).then(() => attempt(async () => {
      const isSaved = await this.put();
      document.getElementById("saved").textContent = isSaved ? "Saved." : "Not saved.";
      if (!isSaved) throw new DOMException("undecided", "AbortError"); // of which nothing more is to be said
    }));
    return this.saving;
  }

  /** Whether it was saved; where somebody else saved meanwhile, both are shown first. */
  async put() {
    const body = { version: this.version, name: this.name, content: this.content };
    try {
      ({ version: this.version } = await ask(`/api/v1/dashboards/${this.slug}`, { method: "PUT", body }));
      return true;
    } catch (problem) {
      if (problem.status !== 409) throw problem;
    }
    const version = await askWhose(this.slug, body);
    if (version === null) return false;
    this.version = version;
    return this.put();
  }

  saveSoon() {
    clearTimeout(this.soon);
    document.getElementById("saved").textContent = "Saving …";
    this.soon = setTimeout(() => this.save(), SAVE_AFTER);
  }

  /** Save, and show what the server makes of it. */
  async apply() {
    clearTimeout(this.soon);
    if (await this.save()) await attempt(() => this.renewPanels());
  }

  async renewPanels() {
    const fresh = await askPage(location.pathname + location.search);
    this.grid.replaceChildren(...fresh.getElementById("board").childNodes);
    document.getElementById("no-panels")?.remove();
    document.getElementById("choose-runs").textContent = fresh.getElementById("choose-runs").textContent;
    document.getElementById("panel-metrics").replaceChildren(...fresh.getElementById("panel-metrics").childNodes);
    this.newBoard();
    this.edit(this.editing);
  }

  panel(id) {
    return this.content.panels.find((each) => each.id === id);
  }

  // Editing ----------------------------------------------------------------------------------------

  edit(on) {
    this.editing = on;
    document.getElementById("edit").setAttribute("aria-pressed", String(on));
    document.getElementById("edit").textContent = on ? "Done" : "Edit";
    document.getElementById("edit-bar").hidden = !on;
    this.root.classList.toggle("is-edited", on);
    for (const panel of this.grid.querySelectorAll(".panel")) {
      panel.querySelector(".panel-tools")?.remove();
      if (on) panel.prepend(this.tools(panel));
    }
    say({ edit: on ? "1" : null });
  }

  tools(panel) {
    const name = panel.getAttribute("aria-label");
    const bar = Object.assign(document.createElement("div"), { className: "panel-tools" });
    for (const [tool, words, sign] of [
      ["move", `Move ${name}: arrow keys; with Shift: make it wider, narrower, higher, lower`, "grip"],
      ["change", `Change ${name}`, "guide"],
      ["remove", `Remove ${name}`, "trash"],
      ["resize", `Resize ${name}: drag it, or arrow keys`, "arrow"],
    ]) {
      const button = Object.assign(document.createElement("button"), { type: "button", className: `button is-small is-quiet tool-${tool}`, title: words });
      button.dataset.tool = tool;
      button.setAttribute("aria-label", words);
      button.append(icon(sign));
      bar.append(button);
    }
    return bar;
  }

  watchPanels() {
    this.grid.addEventListener("click", (event) => {
      const tool = event.target.closest("[data-tool]");
      const panel = tool?.closest(".panel");
      if (tool?.dataset.tool === "change") this.change(panel.dataset.id);
      if (tool?.dataset.tool === "remove") this.remove(panel);
    });
    this.grid.addEventListener("keydown", (event) => {
      const tool = event.target.closest("[data-tool=move], [data-tool=resize]");
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!tool || !way) return;
      event.preventDefault();
      const panel = tool.closest(".panel");
      if (event.shiftKey || tool.dataset.tool === "resize") this.resize(panel, ...way);
      else this.shift(panel, way[0] || way[1]);
      tool.focus();
    });
    this.grid.addEventListener("pointerdown", (event) => {
      const tool = event.target.closest("[data-tool=move], [data-tool=resize]");
      if (!tool || event.button) return;
      event.preventDefault();
      const panel = tool.closest(".panel");
      panel.classList.add("is-held");
      const start = { x: event.clientX, y: event.clientY, ...this.panel(panel.dataset.id) };
      const drag = tool.dataset.tool === "move"
        ? (now) => this.dragTo(panel, now.clientX, now.clientY)
        : (now) => this.stretch(panel, start, now.clientX - start.x, now.clientY - start.y);
      // On the window: a panel that changes its place would lose a captured pointer.
      const held = new AbortController();
      const end = () => {
        held.abort();
        panel.classList.remove("is-held");
        this.saveSoon();
      };
      addEventListener("pointermove", drag, { signal: held.signal });
      addEventListener("pointerup", end, { signal: held.signal });
      addEventListener("pointercancel", end, { signal: held.signal });
    });
  }

  /** To the place of the panel under the pointer. */
  dragTo(panel, x, y) {
    const over = document.elementsFromPoint(x, y).map((each) => each.closest?.(".panel")).find((each) => each && each !== panel);
    if (!over) return;
    const box = over.getBoundingClientRect();
    const after = box.width > this.grid.clientWidth * 0.8 ? y > box.top + box.height / 2 : x > box.left + box.width / 2;
    over[after ? "after" : "before"](panel);
    this.readOrder();
  }

  shift(panel, by) {
    const other = by < 0 ? panel.previousElementSibling : panel.nextElementSibling;
    if (!other) return;
    other[by < 0 ? "before" : "after"](panel);
    this.readOrder();
    panel.scrollIntoView({ block: "nearest" });
    this.saveSoon();
  }

  readOrder() {
    const order = [...this.grid.querySelectorAll(".panel")].map((each) => each.dataset.id);
    this.content.panels.sort((a, b) => order.indexOf(a.id) - order.indexOf(b.id));
  }

  stretch(panel, start, dx, dy) {
    const column = (this.grid.clientWidth + 16) / COLUMNS;
    this.setSize(panel, start.width + Math.round(dx / column), start.height + Math.round(dy / ROW));
  }

  resize(panel, wider, higher) {
    const { width, height } = this.panel(panel.dataset.id);
    this.setSize(panel, width + wider, height + higher);
    this.saveSoon();
  }

  setSize(panel, width, height) {
    const wanted = this.panel(panel.dataset.id);
    panel.classList.remove(`w-${wanted.width}`, `h-${wanted.height}`);
    wanted.width = Math.max(LEAST_WIDTH, Math.min(COLUMNS, width));
    wanted.height = Math.max(1, Math.min(MAX_HEIGHT, height));
    panel.classList.add(`w-${wanted.width}`, `h-${wanted.height}`);
  }

  async remove(panel) {
    const before = this.content.panels;
    this.content.panels = before.filter((each) => each.id !== panel.dataset.id);
    const next = panel.nextElementSibling ?? panel.previousElementSibling;
    await this.apply();
    const focus = next && this.grid.querySelector(`[data-id="${next.dataset.id}"] [data-tool=move]`);
    (focus ?? document.getElementById("add")).focus();
  }

  /** Ask for a panel's fields; `id` undefined: a new one at the end. */
  async change(id) {
    const dialog = document.getElementById("panel-dialog");
    const form = dialog.querySelector("form");
    const before = id ? this.panel(id) : { kind: "curves", title: "", ...DEFAULTS.curves };
    document.getElementById("panel-title").textContent = id ? "Change panel" : "Add panel";
    document.getElementById("panel-problem").textContent = "";
    const fill = (values) => {
      for (const field of form.elements) if (field.name && field.name in values) field.value = values[field.name] ?? "";
    };
    for (const defaults of Object.values(DEFAULTS)) fill(defaults);
    fill(before);
    form.elements.kind.disabled = Boolean(id);
    const show = () => {
      for (const label of form.querySelectorAll("[data-for]")) label.hidden = !label.dataset.for.split(" ").includes(form.elements.kind.value);
    };
    form.elements.kind.onchange = show;
    show();
    if (!(await asked(dialog))) return;
    const kind = form.elements.kind.value;
    const { width, height } = id ? before : DEFAULTS[kind];
    const panel = { id: id ?? newId(kind), kind, title: form.elements.title.value, width, height };
    for (const name of Object.keys(DEFAULTS[kind])) {
      if (name === "width" || name === "height") continue;
      const { value } = form.elements[name];
      panel[name] = name === "most" ? Number(value) : value;
    }
    if (id && before.mode !== undefined) panel.mode = before.mode;
    const was = this.content.panels;
    this.content.panels = id ? was.map((each) => (each.id === id ? panel : each)) : [...was, panel];
    await this.apply();
    const made = this.grid.querySelector(`[data-id="${panel.id}"]`);
    if (!made) this.content.panels = was;
    made?.scrollIntoView({ block: "nearest" });
    made?.querySelector("[data-tool=move]")?.focus();
  }

  // Head -------------------------------------------------------------------------------------------

  watchHead() {
    const on = (id, work) => document.getElementById(id).addEventListener("click", work);
    on("edit", () => this.edit(!this.editing));
    on("add", () => this.change());
    on("choose-runs", () => this.chooseRuns());
    on("rename", () => this.rename());
    on("duplicate", () => attempt(async () => {
      const copy = await ask(`/api/v1/dashboards/${this.slug}/duplicate`, { method: "POST", body: {} });
      location.assign(`/d/${copy.slug}`);
    }));
    on("delete", async () => {
      if (!(await confirm(`Delete ${this.name}?`, "Its share links stop working. Runs are kept.", "Delete dashboard"))) return;
      if (await attempt(() => ask(`/api/v1/dashboards/${this.slug}`, { method: "DELETE" }))) location.assign("/dashboards");
    });
    on("share", () => document.getElementById("share-dialog").showModal());
    on("share-make", () => attempt(() => this.share()));
    document.getElementById("share-list").addEventListener("click", (event) => {
      const { revoke } = event.target.dataset;
      if (revoke) attempt(() => this.revoke(revoke, event.target));
    });
  }

  async share() {
    const made = await ask(`/api/v1/dashboards/${this.slug}/shares`, { method: "POST" });
    document.getElementById("share-new").hidden = false;
    const field = document.getElementById("share-url");
    field.value = made.url;
    document.getElementById("share-copy").dataset.copyText = made.url;
    field.select();
    const item = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button", className: "button is-small is-danger", textContent: "Revoke" });
    button.dataset.revoke = made.id;
    item.append(Object.assign(document.createElement("span"), { className: "small", textContent: `link ${made.id}, made just now` }), " ", button);
    document.getElementById("share-list").prepend(item);
  }

  async revoke(id, button) {
    await ask(`/api/v1/dashboards/${this.slug}/shares/${id}`, { method: "DELETE" });
    button.replaceWith(Object.assign(document.createElement("span"), { className: "small soft", textContent: "revoked" }));
    tell("Link revoked.");
  }

  async chooseRuns() {
    const dialog = document.getElementById("runs-dialog");
    const { elements } = dialog.querySelector("form");
    if (!(await asked(dialog))) return;
    const runs = elements.runs.value.split(",").map((each) => each.trim()).filter(Boolean);
    this.content.source = { runs, filter: elements.filter.value, latest: Number(elements.latest.value) };
    await this.apply();
  }

  async rename() {
    const dialog = document.getElementById("name-dialog");
    const field = dialog.querySelector("input");
    field.value = this.name;
    if (!(await asked(dialog)) || !field.value.trim()) return;
    this.name = field.value.trim();
    if (await this.save()) document.getElementById("board-name").textContent = this.name;
  }

  /** Active runs: poll them. While somebody edits, only the charts. */
  follow() {
    const ids = new Set(this.root.dataset.runs.split(","));
    const renew = throttled(() => attempt(async () => {
      if (this.editing || document.querySelector("dialog[open]")) this.board.reload();
      else await this.renewLive();
    }), RENEW_EVERY);
    const byFilter = !this.content.source.runs.length;
    followRuns(({ id, status }) => (byFilter || (status && ids.has(id))) && renew(), renew);
  }

  /** Panels without charts are replaced where they changed; charts reload themselves. */
  async renewLive() {
    const fresh = await askPage(location.pathname + location.search);
    for (const panel of this.grid.querySelectorAll(".panel:not(.is-curves)")) {
      const next = fresh.querySelector(`#board [data-id="${panel.dataset.id}"] .panel-body`);
      const body = panel.querySelector(".panel-body");
      if (next && next.innerHTML !== body.innerHTML) body.replaceChildren(...next.childNodes);
    }
    this.board.reload();
  }
}

function newId(kind) {
  return `${kind}-${Date.now().toString(36)}`;
}

/** Show a dialog; whether it was agreed to. */
function asked(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}

new Dashboard(document.getElementById("dashboard"));
