// Numbers and moments in words; the counterpart of backend/kit/format.py and clock.py.

const NARROW = "\u202f";
const LONG = 1e6; // times 100 % or 1 TB: a larger one stands as a power of ten
const FINEST = 0.001; // percent: less is too little to matter, however fine it is told

/** NaN and infinity are values and have a name; a dash is no value. */
function notFinite(value) {
  if (value === null || value === undefined) return "–";
  return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
}

/** A number of things: 1 run, 1,200 runs. */
export function counted(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** Three digits, thousands grouped: 0.357, 1,240, 3.1e-6. */
export function significant(value, digits = 3) {
  if (!Number.isFinite(value)) return notFinite(value);
  if (value === 0) return "0";
  if (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e9) return value.toExponential(digits - 1);
  return rounded(value, Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value)))));
}

/** Halves go to the even digit, as Python rounds: 1/16 is 6.2 %, here and on the server. */
function rounded(value, decimals, useGrouping = true) {
  return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals, roundingMode: "halfEven", useGrouping });
}

/** 63.1 %; what would round to nothing but is something: < 0.1 %. */
export function percent(share, digits = 1) {
  if (!Number.isFinite(share)) return notFinite(share);
  if (Math.abs(share) >= LONG) return `${significant(share)}${NARROW}× 100${NARROW}%`;
  const text = rounded(share * 100, digits, false);
  if (Number(text) !== 0) return `${text}${NARROW}%`;
  return share > 0 ? `<${NARROW}${(10 ** -digits).toFixed(digits)}${NARROW}%` : `${text.replace("-", "")}${NARROW}%`;
}

/** Of what may be small and still matters: two digits where it has fewer. 35.7 %, 0.03 %, < 0.001 %. */
export function finePercent(share, digits = 1) {
  const shown = share * 100;
  if (!(shown > 0 && shown < 10 ** (1 - digits))) return percent(share, digits);
  if (shown < FINEST) return `<${NARROW}${FINEST}${NARROW}%`;
  const text = significant(shown, 2);
  return `${text.includes(".") ? text.replace(/\.?0+$/, "") : text}${NARROW}%`;
}

export function size(bytes) {
  if (!Number.isFinite(bytes)) return notFinite(bytes);
  if (Math.abs(bytes) >= LONG * 1e12) return `${significant(bytes)}${NARROW}B`;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (Math.abs(bytes) >= 1000 && at < units.length - 1) {
    bytes /= 1000;
    at += 1;
  }
  return `${bytes.toFixed(at ? 1 : 0)}${NARROW}${units[at]}`;
}

/** A metric's value as its axis counts it. */
export function valueOn(axis, value) {
  return { share: finePercent, bytes: size, number: significant }[axis](value);
}

/** Seconds as `3 m 12 s`. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [
    [Math.floor(whole / 86400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "m"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([number]) => number > 0);
  if (first < 0) return `0${NARROW}s`;
  const shown = parts.slice(first, first + 2).filter(([number]) => number > 0);
  return shown.map(([number, unit]) => `${number}${NARROW}${unit}`).join(" ");
}

/** How long ago a moment (seconds since the epoch) was, in one unit. */
export function ago(moment) {
  const seconds = Math.max(0, Date.now() / 1000 - moment);
  if (seconds < 10) return "just now";
  const units = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];
  const [length, unit] = units.find(([each]) => seconds >= each);
  return `${Math.floor(seconds / length)}${NARROW}${unit} ago`;
}

/** A moment in UTC, as everywhere: 14:05:09 UTC. */
export function timeOfDay(moment) {
  return `${new Date(moment * 1000).toISOString().slice(11, 19)} UTC`;
}

/** Keep every `<time data-ago>` of the page fresh. */
export function keepTimesFresh() {
  setInterval(() => {
    for (const each of document.querySelectorAll("time[data-ago]")) {
      const text = ago(Number(each.dataset.ago));
      if (each.textContent !== text) each.textContent = text;
    }
  }, 10_000);
}
