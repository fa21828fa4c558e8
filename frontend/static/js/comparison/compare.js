// Runs side by side: shared charts, and sections that come when they are opened.

import { given, say } from "../web/address.js";
import { askPage } from "../web/api.js";
import { Board } from "../charts/board.js";
import { offerPaper } from "../charts/export.js";
import { followRuns, refresh, throttled } from "../web/live.js";
import { attempt } from "../web/notices.js";
import { watchTabs } from "../web/tabs.js";
import { counted } from "../web/words.js";

const RENEW_EVERY = 5000; // milliseconds between two looks at active runs
const OF_THE_PAGE = ["runs", "by", "base", "k", "at", "member", "how", "expr"]; // what the address says besides the view of the charts
const OF_THE_LINES = ["hide", "solves", "fails", "more"]; // and what speaks of single lines

class ComparePage {
  constructor(root) {
    this.root = root;
    this.ids = new Set(root.dataset.runs.split(","));
    this.board = new Board(document.getElementById("curves"), {
      name: root.dataset.name,
      figures: "/compare/figures",
      figure: (metric) => `/api/v1/compare/figure?${this.lines({ metric, hide: [...this.board.hidden].join(",") })}`,
      query: () => this.question(),
      first: 3,
    });
    offerPaper(document.getElementById("paper"), `/api/v1/compare/paper?${this.lines()}`, () => this.board);
    this.board.hidden = new Set((given("hide") ?? "").split(",").filter(Boolean));
    watchTabs(root, (section) => this.open(section));
    this.watchLegend();
    this.watchForm();
    this.watchTasks();
    this.follow();
  }

  /** Whose lines the charts show, as the API is asked. */
  lines(more = {}) {
    const query = new URLSearchParams({ runs: this.root.dataset.runs, by: given("by") ?? "run", ...more });
    for (const text of new URLSearchParams(location.search).getAll("expr")) query.append("expr", text);
    return query;
  }

  question() {
    const given = new URLSearchParams(location.search);
    const query = new URLSearchParams();
    for (const name of OF_THE_PAGE) for (const value of given.getAll(name)) query.append(name, value);
    return query;
  }

  /** Sections that the page came without. */
  async open(section) {
    const waiting = document.querySelector(`#${section} [data-part]`);
    if (!waiting || waiting.dataset.asked) return;
    waiting.dataset.asked = "yes";
    const done = await attempt(async () => {
      const part = await askPage(`/compare/${section}?${this.question()}`);
      waiting.replaceWith(...part.body.childNodes);
    });
    if (!done) delete waiting.dataset.asked;
    if (section === "tasks") this.filterTasks();
  }

  watchLegend() {
    this.root.querySelector(".lines-legend").addEventListener("click", (event) => {
      const toggle = event.target.closest("[data-key]");
      if (!toggle) return;
      const { hidden } = this.board;
      if (!hidden.delete(toggle.dataset.key)) hidden.add(toggle.dataset.key);
      toggle.setAttribute("aria-pressed", String(!hidden.has(toggle.dataset.key)));
      say({ hide: hidden.size ? [...hidden].join(",") : null });
      for (const chart of this.board.charts) {
        chart.stale = true;
        if (chart.figure) chart.redraw();
      }
    });
  }

  watchForm() {
    this.root.addEventListener("change", (event) => {
      if (event.target.form?.id !== "compare-form") return;
      const address = new URL(location);
      address.searchParams.set(event.target.name, event.target.value);
      if (event.target.name === "by") for (const name of OF_THE_LINES) address.searchParams.delete(name);
      location.assign(address);
    });
  }

  watchTasks() {
    document.getElementById("tasks").addEventListener("change", () => {
      const value = (id) => document.getElementById(id)?.value ?? "";
      const ticked = (id) => document.getElementById(id)?.checked ?? false;
      this.wantTasks({
        solves: value("solves"),
        fails: value("fails"),
        more: ticked("more-often") ? "1" : "",
        alike: ticked("only-differing") ? "" : "1",
      });
    });
    document.getElementById("significance").addEventListener("click", (event) => {
      const pair = event.target.closest("[data-matrix]")?.dataset.matrix;
      if (!pair) return;
      const [solves, fails] = pair.split(",");
      this.wantTasks({ solves, fails, more: given("by") === "seed" ? "1" : "" });
      document.getElementById("tab-tasks").click();
    });
  }

  /** Which tasks are shown stands in the address, like everything else that a link should carry. */
  wantTasks(wanted) {
    say(Object.fromEntries(Object.entries(wanted).map(([name, value]) => [name, value || null])));
    this.filterTasks();
  }

  filterTasks() {
    const matrix = document.querySelector(".matrix");
    if (!matrix) return;
    const [solves, fails] = [given("solves") ?? "", given("fails") ?? ""];
    const more = given("more") !== null;
    const differing = given("alike") === null;
    document.getElementById("solves").value = solves;
    document.getElementById("fails").value = fails;
    document.getElementById("only-differing").checked = differing;
    const moreOften = document.getElementById("more-often");
    if (moreOften) moreOften.checked = more;
    const from = Number(matrix.dataset.solvedFrom);
    let shown = 0;
    const rows = matrix.querySelectorAll("tbody tr");
    for (const row of rows) {
      const scores = new Map(row.dataset.scores.trim().split(" ").map((each) => each.split(":")));
      const score = (key) => (scores.get(key) ? Number(scores.get(key)) : NaN);
      const fits = more && solves && fails
        ? score(solves) > score(fails)
        : (!solves || score(solves) >= from) && (!fails || score(fails) < from);
      row.hidden = !fits || (differing && !(solves || fails) && row.dataset.differs === "0");
      shown += row.hidden ? 0 : 1;
    }
    document.getElementById("matrix-count").textContent = shown
      ? `${shown} of ${counted(rows.length, "task")}`
      : `No matches among ${counted(rows.length, "task")}${differing && !(solves || fails) ? "; untick to include tasks that do not differ" : ""}`;
  }

  /** Active runs: their charts and tables are polled. */
  follow() {
    const renew = throttled(() => attempt(async () => {
      this.board.reload();
      await refresh();
    }), RENEW_EVERY);
    // The charts come first; what has changed until then can only be of active runs.
    const note = ({ id, status }) => status && this.ids.has(id) && renew();
    requestIdleCallback(() => followRuns(note, renew, this.root.dataset.goesOn === "0"), { timeout: 5000 });
  }
}

const root = document.getElementById("compare");
if (root) new ComparePage(root);
