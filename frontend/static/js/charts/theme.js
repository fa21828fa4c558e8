// Plotly figures in the colours of day or night. The server names colours, the style sheet has them.

const loading = {};
const TOOK = "plotly-took"; // milliseconds that this browser last needed for it
const AT_ONCE = 300;
const TONES = { alarm: "danger", resume: "ink-soft" }; // of marks

/** Plotly itself, loaded when the first chart wants it. Its second comes after what one sees, never before. */
export function plotly() {
  loading.promise ??= painted().then(() => (window.Plotly ? window.Plotly : load(document.body.dataset.plotly)));
  return loading.promise;
}

/** Have Plotly ready by the time the figures are there, in a browser that keeps it compiled: it holds up nothing then. */
export function readyPlotly() {
  const [address, took] = (localStorage.getItem(TOOK) ?? "").split(" ");
  if (address === document.body.dataset.plotly && Number(took) < AT_ONCE) plotly();
}

function load(address) {
  const begun = performance.now();
  const script = document.createElement("script");
  script.src = address;
  const loaded = new Promise((resolve, reject) => {
    script.addEventListener("load", () => {
      localStorage.setItem(TOOK, `${address} ${Math.round(performance.now() - begun)}`);
      resolve(window.Plotly);
    });
    script.addEventListener("error", () => reject(new Error("Plotly's script did not load. Reload the page.")));
  });
  document.head.append(script);
  return loaded;
}

function painted() {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
}

/** The colour called `name` in tokens.css as it is now; a shade of it lies nearer to the ink. */
export function colour(name, shade = 0) {
  const own = token(name);
  return shade ? mixed(own, token("ink"), (22 * shade) / 100) : own;
}

function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function mixed(one, other, share) {
  const [from, to] = [one, other].map((each) => [1, 3, 5].map((at) => parseInt(each.slice(at, at + 2), 16)));
  return `rgb(${from.map((value, i) => Math.round(value + (to[i] - value) * share)).join(",")})`;
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
    yaxis: { ...axis, showline: false, ticks: "", ...layout.yaxis },
    shapes: marks.map(line),
    annotations: marks.map((mark) => word(mark, layout.xaxis.range)),
  };
}

/** A trace in today's colours. */
export function tinted(trace) {
  const tone = colour(trace.meta.colour, trace.meta.shade);
  if (trace.mode === "markers") return { ...trace, marker: { ...trace.marker, color: tone, line: { ...trace.marker.line, color: tone } } };
  if (trace.meta.role === "band") return { ...trace, line: { ...trace.line, color: tone }, fillcolor: withOpacity(tone, 0.16) };
  const isPoint = trace.steps?.length === 1; // a line through one point shows nothing
  return { ...trace, mode: isPoint ? "markers" : trace.mode, line: { ...trace.line, color: tone }, marker: { size: 6, color: tone } };
}

function withOpacity(tone, opacity) {
  const parts = tone.startsWith("#") ? [1, 3, 5].map((at) => parseInt(tone.slice(at, at + 2), 16)) : tone.match(/\d+/g);
  return `rgba(${parts.join(",")},${opacity})`;
}

/** The short line that stands for a trace in a legend; the server draws the same (backend/charts/static_chart.py). */
export function swatch({ meta, line }) {
  const space = "http://www.w3.org/2000/svg";
  const mark = document.createElementNS(space, "svg");
  mark.setAttribute("class", "swatch");
  mark.setAttribute("aria-hidden", "true");
  const stroke = document.createElementNS(space, "line");
  for (const [name, value] of Object.entries({ x1: 0, x2: "100%", y1: "50%", y2: "50%" })) stroke.setAttribute(name, value);
  stroke.style.stroke = colour(meta.colour, meta.shade);
  stroke.style.strokeDasharray = (line?.dash ?? "solid").replace("solid", "none");
  mark.append(stroke);
  return mark;
}

function line({ x, kind }) {
  return { type: "line", xref: "x", yref: "paper", x0: x, x1: x, y0: 0, y1: 1, line: { color: colour(TONES[kind]), width: 1, dash: "dot" } };
}

/** Its name stands above the curves, at the side of the line where there is room. */
function word(mark, [low, high]) {
  const isLate = mark.x > (low + high) / 2;
  return {
    x: mark.x, xref: "x", y: 1, yref: "paper", xanchor: isLate ? "right" : "left", yanchor: "bottom", showarrow: false,
    text: `${mark.sign} ${mark.name}`.trimEnd(), font: { size: 10, color: colour(TONES[mark.kind]) }, borderpad: 0,
  };
}
