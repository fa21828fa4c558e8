// Panels that are no Plotly charts as files: CSV, and what goes into a paper, from the server; PNG from what is shown.

import { save, saveFigure } from "../charts/export.js";
import { askFile } from "../web/api.js";
import { icon } from "../web/icons.js";
import { attempt } from "../web/notices.js";

const KEPT = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-size", "font-family", "font-weight", "text-anchor", "color",
  "background-color", "display", "padding", "margin", "border-bottom", "text-align", "white-space", "grid-template-columns", "gap", "flex-wrap"];

const FIGURES = ["bars", "grids"];
const WIDTHS = ["3.5", "7"]; // inches
const TYPESETTINGS = { LaTeX: ["latex", "tex"], Typst: ["typst", "typ"], Markdown: ["markdown", "md"] };

/** Give every panel without charts its menu of files; the addresses of its CSV and of what is for a paper. */
export function exportPanels(root, csvAddress, paperAddress) {
  for (const panel of root.querySelectorAll(".panel:not(.is-curves)")) addMenu(panel, csvAddress, paperAddress);
}

function addMenu(panel, csvAddress, paperAddress) {
  if (panel.querySelector(".export-menu")) return;
  const menu = document.createElement("details");
  menu.className = "menu export-menu";
  const summary = document.createElement("summary");
  summary.className = "button is-quiet is-small";
  summary.setAttribute("role", "button");
  summary.setAttribute("aria-label", `${panel.getAttribute("aria-label")}: files`);
  summary.append(icon("download"));
  const sheet = Object.assign(document.createElement("div"), { className: "sheet" });
  for (const [text, give] of Object.entries(files(panel, csvAddress, paperAddress))) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    button.addEventListener("click", () => attempt(give));
    sheet.append(button);
  }
  menu.append(summary, sheet);
  panel.prepend(menu);
}

/** What the panel can be saved as -> what does it. */
function files(panel, csvAddress, paperAddress) {
  const { id, kind } = panel.dataset;
  const name = `${document.title.split(" · ")[0]}-${id}`.replaceAll(/[^\w.-]+/g, "-");
  const made = {};
  if (FIGURES.includes(kind)) {
    for (const format of ["pdf", "svg"]) {
      for (const width of WIDTHS) {
        const give = () => saveFigure(`${paperAddress(id)}/figure`, [], name, format, width);
        made[`${format.toUpperCase()}, ${width} in`] = give;
      }
    }
  }
  if (kind === "table") {
    for (const [title, [format, ending]] of Object.entries(TYPESETTINGS)) {
      made[title] = async () => save(await askFile(`${paperAddress(id)}/table?format=${format}`), `${name}.${ending}`);
    }
  }
  made.PNG = async () => {
    const { text, width, height } = drawing(panel.querySelector(".panel-body"));
    save(await raster(text, width, height), `${name}.png`);
  };
  made.CSV = async () => save(await askFile(csvAddress(id)), `${name}.csv`);
  return made;
}

/** What a panel shows as one SVG: its HTML inside, with the styles that count written out. */
function drawing(body) {
  const width = Math.ceil(body.scrollWidth) + 24;
  const height = Math.ceil(body.scrollHeight) + 24;
  const copy = body.cloneNode(true);
  styled(body, copy);
  copy.setAttribute("xmlns", "http://www.w3.org/1999/xhtml");
  copy.style.cssText += `;margin:12px;width:${width - 24}px;height:auto;overflow:visible`;
  const paper = getComputedStyle(document.body).backgroundColor;
  const ground = paper === "rgba(0, 0, 0, 0)" ? getComputedStyle(document.documentElement).backgroundColor : paper;
  const inside = new XMLSerializer().serializeToString(copy);
  const text = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="${ground}"/>` +
    `<foreignObject width="100%" height="100%">${inside}</foreignObject></svg>`;
  return { text, width, height };
}

function styled(from, to) {
  const style = getComputedStyle(from);
  to.style.cssText += KEPT.map((name) => `;${name}:${style.getPropertyValue(name)}`).join("");
  [...from.children].forEach((child, at) => styled(child, to.children[at]));
}

async function raster(text, width, height) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: 2 * width, height: 2 * height });
  const context = canvas.getContext("2d");
  context.scale(2, 2);
  context.drawImage(image, 0, 0);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}
