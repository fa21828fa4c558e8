// Plotly figures in the colours of day or night. The server names colours, the style sheet has them.

const loading = {};

/** Plotly itself, loaded when the first chart wants it. */
export function plotly() {
  loading.promise ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = document.body.dataset.plotly;
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => reject(new Error("Plotly's script did not load. Reload the page.")));
    document.head.append(script);
  });
  return loading.promise;
}

/** The colour called `name` in tokens.css, as it is now. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Calls `work` when the system switches between day and night. */
export function onThemeChange(work) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", work);
}

/** A copy of `layout` in today's colours, with marks as vertical lines. */
export function themed(layout, marks) {
  const ink = colour("ink-soft");
  const axis = { gridcolor: colour("line"), linecolor: colour("line-strong"), tickcolor: colour("line-strong"), color: ink };
  const font = { ...layout.font, color: ink, family: getComputedStyle(document.body).fontFamily };
  return {
    ...layout,
    font,
    xaxis: { ...axis, showline: true, ticks: "outside", ticklen: 3, ...layout.xaxis },
    yaxis: { ...axis, ...layout.yaxis },
    shapes: marks.map((mark) => line(mark.x)),
    annotations: marks.map((mark) => word(mark)),
  };
}

/** A trace in today's colours. */
export function tinted(trace) {
  const tone = colour(trace.meta.colour);
  if (trace.mode === "markers") return { ...trace, marker: { ...trace.marker, line: { ...trace.marker.line, color: tone } } };
  return { ...trace, line: { ...trace.line, color: tone } };
}

function line(x) {
  return { type: "line", xref: "x", yref: "paper", x0: x, x1: x, y0: 0, y1: 1, line: { color: colour("danger"), width: 1, dash: "dot" } };
}

function word(mark) {
  return {
    x: mark.x, xref: "x", y: 1, yref: "paper", xanchor: "left", yanchor: "top", showarrow: false,
    text: `▲ ${mark.name}`, font: { size: 10, color: colour("danger") }, bgcolor: colour("paper"), borderpad: 1,
  };
}
