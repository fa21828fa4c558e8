// What a page shows: values of controls, states of toggles, tabs and sorted columns, words in sight, and where the axes
// of charts begin and end. A dialog, an open menu and what is being typed are no part of it.

() => {
  const visible = (each) => each.checkVisibility({ visibilityProperty: true });
  const all = (query) => [...document.querySelectorAll(query)].filter((each) => visible(each) && !each.closest("dialog, .menu .sheet"));
  const nameOf = (each) => each.id || each.name || each.getAttribute("aria-label") || each.textContent.trim().slice(0, 40);
  const valueOf = (each) => (["checkbox", "radio"].includes(each.type) ? each.checked : each.value);
  const STATES = ["pressed", "selected", "current", "sort"].map((state) => `aria-${state}`);
  const stateOf = (each) => STATES.map((state) => each.getAttribute(state));
  const range = ({ type, range: ends }) => [type, ...ends.map((end) => Number(end).toPrecision(4))];
  const plots = [...document.querySelectorAll(".js-plotly-plot")].filter(visible);
  const WORDS = "h1, h2, h3, thead, tbody tr, .card-head, .tile-name, .candidate-words, #step-said, .facets, #matrix-count";
  return {
    fields: all("input:not([type=hidden], [type=file]), select, textarea").map((each) => [nameOf(each), valueOf(each)]),
    states: all(STATES.map((state) => `[${state}]`).join()).map((each) => [nameOf(each), ...stateOf(each)]),
    words: all(WORDS).map((each) => each.innerText.trim()),
    axes: plots.slice(0, 2).map(({ _fullLayout: { xaxis, yaxis } }) => [range(xaxis), range(yaxis)]),
    lines: plots.slice(0, 1).flatMap(({ data }) => data.map((trace) => [trace.name, trace.visible])),
  };
}
