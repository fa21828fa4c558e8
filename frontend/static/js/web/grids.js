// ARC grids: digits on the wire, drawn once they come near. All are drawn on one canvas and shown as images: a canvas
// in the page is a layer of its own to the browser, and hundreds of layers make scrolling stutter.

const PALETTES = {
  official: ["#000000", "#0074D9", "#FF4136", "#2ECC40", "#FFDC00", "#AAAAAA", "#F012BE", "#FF851B", "#7FDBFF", "#870C25"],
  // Ten colours that stay apart in the common forms of colour blindness, by hue and by lightness.
  distinct: ["#000000", "#0072B2", "#D55E00", "#009E73", "#F0E442", "#999999", "#CC79A7", "#E69F00", "#A6DBFF", "#5B1A3A"],
};
const LINE = "#555555";
const KEY = "etrm.palette";
const DIGITS_KEY = "etrm.digits";

const look = { palette: localStorage.getItem(KEY) ?? "official", digits: localStorage.getItem(DIGITS_KEY) === "yes", truth: false };

const BUDGET = 6; // milliseconds of drawing in one frame, so that scrolling stays smooth
const AT_FIRST = 40; // milliseconds: nobody scrolls yet, and what is in sight is wanted whole

const waiting = new Set(); // grids that came near and are not drawn yet

const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    target.dataset.seen = isIntersecting ? "yes" : "";
    if (isIntersecting && !target.dataset.drawn) soon(target);
    else waiting.delete(target);
  }
  if (isFirst && waiting.size) {
    isFirst = false;
    drawSome(AT_FIRST);
  }
}, { rootMargin: "500px" });

let isFirst = true;

const farObserver = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) if (!isIntersecting) release(target);
}, { rootMargin: "4000px" });

// On paper nothing comes near: whatever is not drawn yet would be a broken image.
addEventListener("beforeprint", () => {
  for (const image of document.querySelectorAll("img.grid:not([data-drawn])")) draw(image);
});

function soon(image) {
  if (!waiting.size) requestAnimationFrame(() => drawSome(BUDGET));
  waiting.add(image);
}

/** As many of the waiting grids as fit into so many milliseconds, at least one. */
function drawSome(budget) {
  const until = performance.now() + budget;
  for (const image of waiting) {
    waiting.delete(image);
    draw(image);
    if (performance.now() > until) break;
  }
  if (waiting.size) requestAnimationFrame(() => drawSome(BUDGET));
}

/** Take care of every grid below `root`. */
export function watchGrids(root) {
  for (const image of root.querySelectorAll("img.grid:not([data-watched])")) {
    image.dataset.watched = "yes";
    observer.observe(image);
    farObserver.observe(image);
  }
}

export function currentPalette() {
  return look.palette;
}

/** The ten colours as they are shown now. */
export function currentColours() {
  return PALETTES[look.palette];
}

export function currentDigits() {
  return look.digits;
}

/** Show another grid of the same size. */
export function showDigits(image, digits) {
  image.dataset.digits = digits;
  if (image.dataset.seen) draw(image);
}

/** Change palette, digits or truth (predictions show the truth instead), and draw what is in view. */
export function setLook(change) {
  Object.assign(look, change);
  localStorage.setItem(KEY, look.palette);
  localStorage.setItem(DIGITS_KEY, look.digits ? "yes" : "");
  for (const image of document.querySelectorAll("img.grid")) {
    if (image.dataset.seen) draw(image);
    else delete image.dataset.drawn;
  }
}

function rowsOf(digits) {
  return digits ? digits.split("/") : [];
}

function shapeOf(image) {
  const [shown, truth] = [rowsOf(image.dataset.digits), rowsOf(image.dataset.against ?? "")];
  const height = Math.max(shown.length, truth.length, 1);
  const width = Math.max(shown[0]?.length ?? 0, truth[0]?.length ?? 0, 1);
  return { shown, truth, height, width };
}

/** A grid out of sight needs no pixels: thousands of them may have been scrolled past. */
function release(image) {
  image.removeAttribute("src");
  delete image.dataset.drawn;
}

const paper = document.createElement("canvas");
const pen = paper.getContext("2d", { willReadFrequently: true });
const pictures = new Map();
const REMEMBERED = 400;

function draw(image) {
  image.src = "against" in image.dataset ? pictured(image) : remembered(image);
  image.dataset.drawn = "yes";
}

/** Demonstrations and truths stand on every card of their task. */
function remembered(image) {
  const { digits, cell } = image.dataset;
  const key = [look.palette, look.digits, devicePixelRatio, cell, digits].join();
  const known = pictures.get(key) ?? pictured(image);
  pictures.delete(key); // and to the end: what was not used for the longest is first
  pictures.set(key, known);
  if (pictures.size > REMEMBERED) pictures.delete(pictures.keys().next().value);
  return known;
}

/** The grid as the address of an image. */
function pictured(image) {
  const { shown, truth, height, width } = shapeOf(image);
  const ratio = Math.max(1, Math.round(devicePixelRatio));
  const cell = Number(image.dataset.cell) * ratio;
  paper.width = width * cell + ratio; // and all is blank
  paper.height = height * cell + ratio;
  if (image.dataset.difference) drawDifference(shown, truth, cell, ratio);
  else drawGrid(shown, truth, "against" in image.dataset, cell, ratio);
  return paper.toDataURL();
}

function drawGrid(shown, truth, compared, cell, ratio) {
  const sameSize = truth.length === shown.length && truth[0]?.length === shown[0]?.length;
  if (compared && !sameSize) hatch(ratio);
  drawCells(compared && look.truth ? truth : shown, cell, ratio);
  if (compared && sameSize && !look.truth) markDifferences(shown, truth, cell);
  if (compared && !sameSize) outline(shown, truth, cell, ratio);
}

/** The truth where the answer is wrong, nothing where it is right; the answer's own outline where sizes differ. */
function drawDifference(shown, truth, cell, ratio) {
  hatch(ratio);
  const colours = PALETTES[look.palette];
  truth.forEach((row, r) => {
    [...row].forEach((digit, c) => {
      if (shown[r]?.[c] === digit) return;
      pen.fillStyle = LINE;
      pen.fillRect(c * cell, r * cell, cell + ratio, cell + ratio);
      const gap = cell > 3 * ratio ? ratio : 0;
      pen.fillStyle = colours[digit];
      pen.fillRect(c * cell + gap, r * cell + gap, cell - gap, cell - gap);
      if (look.digits && cell >= 9 * ratio) drawDigit(digit, r, c, cell);
    });
  });
  outline(shown, truth, cell, ratio);
}

function drawCells(rows, cell, ratio) {
  if (!rows.length) return;
  const colours = PALETTES[look.palette];
  const gap = cell > 3 * ratio ? ratio : 0;
  pen.fillStyle = LINE;
  pen.fillRect(0, 0, rows[0].length * cell + ratio, rows.length * cell + ratio);
  rows.forEach((row, r) => {
    for (let c = 0; c < row.length; c += 1) {
      pen.fillStyle = colours[row[c]];
      pen.fillRect(c * cell + gap, r * cell + gap, cell - gap, cell - gap);
    }
  });
  if (look.digits && cell >= 9 * ratio) {
    rows.forEach((row, r) => [...row].forEach((digit, c) => drawDigit(digit, r, c, cell)));
  }
}

function drawDigit(digit, r, c, cell) {
  pen.font = `${Math.floor(cell * 0.62)}px ui-monospace, monospace`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillStyle = "01269".includes(digit) ? "#ffffff" : "#000000";
  pen.fillText(digit, (c + 0.54) * cell, (r + 0.56) * cell);
}

/** A white corner with a black edge: every hue is taken, a shape is not. */
function markDifferences(shown, truth, cell) {
  const leg = Math.max(3, cell * 0.55);
  shown.forEach((row, r) => {
    [...row].forEach((digit, c) => {
      if (truth[r][c] === digit) return;
      pen.beginPath();
      pen.moveTo(c * cell + 1, r * cell + 1);
      pen.lineTo(c * cell + 1 + leg, r * cell + 1);
      pen.lineTo(c * cell + 1, r * cell + 1 + leg);
      pen.closePath();
      pen.fillStyle = "#ffffff";
      pen.fill();
      pen.strokeStyle = "#000000";
      pen.lineWidth = 1;
      pen.stroke();
    });
  });
}

function hatch(ratio) {
  pen.strokeStyle = "rgb(128 128 128 / 45%)";
  pen.lineWidth = ratio;
  pen.beginPath();
  for (let x = -paper.height; x < paper.width; x += 6 * ratio) {
    pen.moveTo(x, paper.height);
    pen.lineTo(x + paper.height, 0);
  }
  pen.stroke();
}

/** Both sizes: the prediction's line is solid, the truth's dashed. */
function outline(shown, truth, cell, ratio) {
  const ink = getComputedStyle(document.body).color;
  const frame = (rows, dash, width) => {
    if (!rows.length) return;
    pen.setLineDash(dash.map((each) => each * ratio));
    pen.lineWidth = width * ratio;
    pen.strokeStyle = ink;
    const inset = (width * ratio) / 2;
    pen.strokeRect(inset, inset, rows[0].length * cell + ratio - 2 * inset, rows.length * cell + ratio - 2 * inset);
  };
  frame(shown, [], 2);
  frame(truth, [4, 3], 1.5);
  pen.setLineDash([]);
}
