// A chart as a file: PDF and SVG for a paper, drawn by the server; PNG as shown, with title, legend and what its lines are; CSV with every point.

import { askFile } from "../web/api.js";
import { attempt, whileMaking } from "../web/notices.js";
import { valueOn } from "../web/words.js";
import { colour, plotly } from "./theme.js";

const SIZE = { width: 900, height: 420 };
const LINE = 14; // pixels
const LETTERS = 140; // in a line of the picture
const FOR_PAPER = ["pdf", "svg"];

export function download(chart, format, width) {
  return attempt(async () => {
    const { name: title, source } = chart.board;
    const name = [title, source.run, chart.root.dataset.panel].filter(Boolean).join("-").replaceAll(/[^\w.-]+/g, "-");
    if (FOR_PAPER.includes(format)) {
      await saveFigure(source.figure(chart.root.dataset.panel), chart.board.viewQuery(), name, format, width);
      return;
    }
    if (!chart.figure) await chart.load();
    if (format === "csv") save(await csv(chart), `${name}.csv`);
    else save(await picture(chart), `${name}.png`);
  });
}

/** A figure for a paper: one width (inches) in one format. */
export async function saveFigure(address, query, name, format, width) {
  const asked = new URLSearchParams([...query, ["format", format], ["width", width]]);
  const drawing = askFile(`${address}${address.includes("?") ? "&" : "?"}${asked}`);
  save(await whileMaking("Drawing the figure.", () => drawing), `${name}-${width}in.${format}`);
}

/** Let a button save all figures and tables for a paper as one archive. */
export function offerPaper(button, address, board) {
  button?.addEventListener("click", () => attempt(async () => {
    button.disabled = true;
    try {
      const asked = board().viewQuery();
      const query = `${address.includes("?") ? "&" : "?"}${asked}`;
      const archive = await whileMaking("Drawing figures and tables. Keep this page open.", (say) => {
        return askFile(`${address}${query}`, (bytes) => say(`${valueOn("bytes", bytes)} so far`));
      });
      save(archive, `${board().name.replaceAll(/[^\w.-]+/g, "-")}-paper.zip`);
    } finally {
      button.disabled = false;
    }
  }));
}

async function picture(chart) {
  const Plotly = await plotly();
  const { data, layout } = chart.plot;
  const { caption, titles: { x, y } } = chart.figure;
  const words = wrapped([caption, ...[...chart.root.querySelectorAll(".notes .mark")].map((note) => note.textContent)].filter(Boolean).join(" "));
  const shown = {
    data: data.map((trace) => ({ ...trace, showlegend: trace.meta.role === "smooth" && trace.visible !== false })),
    layout: {
      ...layout,
      margin: { l: layout.margin.l + 30, r: 20, t: 56, b: 64 },
      paper_bgcolor: colour("paper"),
      plot_bgcolor: colour("paper"),
      title: { text: `${chart.title} · ${chart.board.name}`, x: 0, xref: "paper", font: { size: 15, color: colour("ink") } },
      showlegend: true,
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 1, xanchor: "right", itemwidth: 40 },
      xaxis: { ...layout.xaxis, title: { text: x, font: { size: 11 } } },
      yaxis: { ...layout.yaxis, title: { text: y, font: { size: 11 } } },
      annotations: [...layout.annotations, beneath(words)],
    },
  };
  const lines = Math.ceil(chart.smooths.length / 3);
  shown.layout.margin.t += LINE * lines;
  shown.layout.margin.b += LINE * words.length;
  const size = { ...SIZE, height: SIZE.height + LINE * (lines + words.length) };
  const address = await Plotly.toImage(shown, { ...size, format: "png", scale: 2 });
  return new Blob([Uint8Array.from(atob(address.slice(address.indexOf(",") + 1)), (letter) => letter.charCodeAt(0))], { type: "image/png" });
}

/** A text in lines that the picture has room for. */
function wrapped(text) {
  return text.match(new RegExp(`\\S.{0,${LETTERS - 1}}(?=\\s|$)`, "g")) ?? [];
}

/** Lines at the foot of the picture, under the title of its x axis. */
function beneath(lines) {
  const font = { size: 11, color: colour("ink-soft") };
  return { text: lines.join("<br>"), x: 0, xref: "paper", xanchor: "left", y: 0, yref: "paper", yanchor: "top", yshift: -46, align: "left", showarrow: false, font };
}

/** One row per run and step, one column per metric, with every point; written by the server as it reads. */
async function csv(chart) {
  const names = chart.metrics.map((name) => JSON.stringify(name)).join(",");
  const { csv: shared } = chart.board.source;
  const runs = chart.figure.runs ?? Object.keys(chart.figure.clocks);
  const query = new URLSearchParams(shared ? { names } : { runs: runs.join(","), names });
  return askFile(`${shared ?? "/api/v1/compare/series/export"}?${query}`);
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
