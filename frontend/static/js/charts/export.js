// A chart as a file: PNG and SVG with title, legend and run id; CSV with every point.

import { ask } from "../api.js";
import { attempt } from "../notices.js";
import { colour, plotly } from "./theme.js";

const SIZE = { width: 900, height: 420 };
const MOST_ROWS = 100_000;

export function download(chart, format) {
  return attempt(async () => {
    const name = `${chart.board.name}-${chart.board.run}-${chart.root.dataset.panel}`.replaceAll(/[^\w.-]+/g, "-");
    if (format === "csv") save(new Blob([await csv(chart)], { type: "text/csv" }), `${name}.csv`);
    else save(await picture(chart, format), `${name}.${format}`);
  });
}

async function picture(chart, format) {
  const Plotly = await plotly();
  const { data, layout } = chart.plot;
  const shown = {
    data: data.map((trace) => ({ ...trace, showlegend: trace.meta.role === "smooth" })),
    layout: {
      ...layout,
      margin: { l: 60, r: 20, t: 56, b: 64 },
      paper_bgcolor: colour("paper"),
      plot_bgcolor: colour("paper"),
      title: { text: `${chart.title} · ${chart.board.name}`, x: 0, xref: "paper", font: { size: 15, color: colour("ink") } },
      showlegend: true,
      legend: { orientation: "h", y: 1.1, x: 1, xanchor: "right" },
      xaxis: { ...layout.xaxis, title: { text: `${chart.board.axis.kind} · run ${chart.board.run}`, font: { size: 11 } } },
    },
  };
  const address = await Plotly.toImage(shown, { ...SIZE, format, scale: format === "png" ? 2 : 1 });
  return format === "svg"
    ? new Blob([decodeURIComponent(address.slice(address.indexOf(",") + 1))], { type: "image/svg+xml" })
    : new Blob([Uint8Array.from(atob(address.slice(address.indexOf(",") + 1)), (letter) => letter.charCodeAt(0))], { type: "image/png" });
}

/** One row per step, one column per metric; empty where a metric has no point. */
async function csv(chart) {
  const query = new URLSearchParams({ names: chart.metrics.join(","), max_points: MOST_ROWS });
  const { series } = await ask(`/api/v1/runs/${chart.board.run}/series?${query}`);
  const rows = new Map();
  for (const metric of chart.metrics) {
    series[metric].step.forEach((step, i) => {
      const row = rows.get(step) ?? { wall_time: series[metric].wall_time[i] };
      row[metric] = series[metric].value[i] ?? "NaN";
      rows.set(step, row);
    });
  }
  const steps = [...rows.keys()].sort((a, b) => a - b);
  const lines = steps.map((step) => {
    const row = rows.get(step);
    return [chart.board.run, step, row.wall_time, ...chart.metrics.map((metric) => row[metric] ?? "")].join(",");
  });
  return [["run", "step", "wall_time", ...chart.metrics].join(","), ...lines].join("\n") + "\n";
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
