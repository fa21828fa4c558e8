// A chart as a file: PNG and SVG with title, legend and run id; CSV with every point.

import { askFile } from "../web/api.js";
import { attempt } from "../web/notices.js";
import { colour, plotly } from "./theme.js";

const SIZE = { width: 900, height: 420 };
const RUNS_IN_A_LINE = 10;

export function download(chart, format) {
  return attempt(async () => {
    const { name: title, source } = chart.board;
    const name = [title, source.run, chart.root.dataset.panel].filter(Boolean).join("-").replaceAll(/[^\w.-]+/g, "-");
    if (!chart.figure) await chart.load();
    if (format === "csv") save(await csv(chart), `${name}.csv`);
    else save(await picture(chart, format), `${name}.${format}`);
  });
}

async function picture(chart, format) {
  const Plotly = await plotly();
  if (!chart.figure) await chart.load();
  const { data, layout } = chart.plot;
  const runs = Object.keys(chart.figure.clocks);
  const shown = {
    data: data.map((trace) => ({ ...trace, showlegend: trace.meta.role === "smooth" && trace.visible !== false })),
    layout: {
      ...layout,
      margin: { l: layout.margin.l + 14, r: 20, t: 56, b: 64 },
      paper_bgcolor: colour("paper"),
      plot_bgcolor: colour("paper"),
      title: { text: `${chart.title} · ${chart.board.name}`, x: 0, xref: "paper", font: { size: 15, color: colour("ink") } },
      showlegend: true,
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 1, xanchor: "right" },
      xaxis: { ...layout.xaxis, title: { text: `${chart.axis.kind} · ${runs.length === 1 ? "run" : "runs"} ${inLines(runs)}`, font: { size: 11 } } },
    },
  };
  const lines = Math.ceil(chart.smooths.length / 3);
  shown.layout.margin.t += 14 * lines;
  shown.layout.margin.b += 13 * Math.floor(runs.length / RUNS_IN_A_LINE);
  const size = { ...SIZE, height: SIZE.height + 14 * lines + 13 * Math.floor(runs.length / RUNS_IN_A_LINE) };
  const address = await Plotly.toImage(shown, { ...size, format, scale: format === "png" ? 2 : 1 });
  return format === "svg"
    ? new Blob([decodeURIComponent(address.slice(address.indexOf(",") + 1))], { type: "image/svg+xml" })
    : new Blob([Uint8Array.from(atob(address.slice(address.indexOf(",") + 1)), (letter) => letter.charCodeAt(0))], { type: "image/png" });
}

/** One row per run and step, one column per metric, with every point; written by the server as it reads. */
async function csv(chart) {
  const names = chart.metrics.map((name) => JSON.stringify(name)).join(",");
  const { csv: shared } = chart.board.source;
  const runs = chart.figure.runs ?? Object.keys(chart.figure.clocks);
  const query = new URLSearchParams(shared ? { names } : { runs: runs.join(","), names });
  return askFile(`${shared ?? "/api/v1/compare/series/export"}?${query}`);
}

function inLines(runs) {
  const lines = [];
  for (let at = 0; at < runs.length; at += RUNS_IN_A_LINE) lines.push(runs.slice(at, at + RUNS_IN_A_LINE).join(" "));
  return lines.join("<br>");
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
