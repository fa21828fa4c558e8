// A chart as a file: PNG and SVG with title, legend and run id; CSV with every point.

import { ask } from "../web/api.js";
import { attempt } from "../web/notices.js";
import { colour, plotly } from "./theme.js";

const SIZE = { width: 900, height: 420 };
const MAX_ROWS = 100_000;
const RUNS_IN_A_LINE = 10;

export function download(chart, format) {
  return attempt(async () => {
    const { name: title, source } = chart.board;
    const name = [title, source.run, chart.root.dataset.panel].filter(Boolean).join("-").replaceAll(/[^\w.-]+/g, "-");
    if (format === "csv") save(new Blob([await csv(chart)], { type: "text/csv" }), `${name}.csv`);
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
      margin: { l: 60, r: 20, t: 56, b: 64 },
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

/** One row per run and step, one column per metric; empty where a metric has no point. */
async function csv(chart) {
  const runs = chart.figure.runs ?? Object.keys(chart.figure.clocks);
  const query = new URLSearchParams({ runs: runs.join(","), names: chart.metrics.join(","), max_points: MAX_ROWS });
  const { series } = await ask(`${chart.board.source.series ?? "/api/v1/compare/series"}?${query}`);
  const lines = runs.flatMap((run) => rowsOf(run, series[run] ?? {}, chart.metrics));
  return [["run", "step", "wall_time", ...chart.metrics.map(cell)].join(","), ...lines].join("\n") + "\n";
}

/** A name as a cell: no spreadsheet takes it for a formula (as backend/kit/table_files.py). */
function cell(name) {
  const text = /^([\t\r]|[\s\u200b\ufeff]*[=+\-@＝＋－＠])/.test(name) ? `'${name}` : name;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function rowsOf(run, series, metrics) {
  const rows = new Map();
  for (const metric of metrics.filter((each) => series[each])) {
    series[metric].step.forEach((step, i) => {
      const row = rows.get(step) ?? { wall_time: series[metric].wall_time[i] };
      row[metric] = series[metric].value[i] ?? "NaN";
      rows.set(step, row);
    });
  }
  return [...rows.keys()].sort((a, b) => a - b).map((step) => {
    const row = rows.get(step);
    return [run, step, row.wall_time, ...metrics.map((metric) => row[metric] ?? "")].join(",");
  });
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
