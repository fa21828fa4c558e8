// The x axis that all charts share: steps, samples, epochs, time since the start, or time of day.
// Places are canonical (steps, samples, epochs, seconds); a chart shows time in a unit that suits it.

const UNITS = [[86400, " d"], [3600, " h"], [60, " min"], [1, " s"]];
const CLOCK_STEPS = [1, 5, 15, 30, 60, 300, 900, 1800, 3600, 10800, 21600, 43200, 86400];
const MAX_TICKS = 6;
const ZONE = "UTC"; // of every moment, as in backend/charts/scale.py
const LAST_MOMENT = 253402300799; // the end of the year 9999

export class Axis {
  /** @param {"step"|"samples"|"epoch"|"time"|"wall"} kind */
  constructor(kind) {
    this.kind = kind;
  }

  /** Whether the moments of points count, not their steps. */
  get timed() {
    return this.kind === "time" || this.kind === "wall";
  }

  /** Where a point stands. @param {[number, number?, number?]} clock start, samples and epochs per step */
  at(step, moment, clock) {
    if (this.kind === "wall") return moment;
    if (this.kind === "time") return moment - (clock?.[0] ?? 0);
    return step * this.perStep(clock);
  }

  perStep(clock) {
    return { samples: clock?.[1], epoch: clock?.[2] }[this.kind] ?? 1;
  }

  xs(trace, clocks) {
    const clock = clocks[trace.meta.run];
    if (this.timed) return trace.customdata.map((moment, i) => this.at(0, moment, clock ?? clocks[trace.meta.runs?.[i]]));
    if (trace.meta.runs) return trace.steps.map((step, i) => this.at(step, 0, clocks[trace.meta.runs[i]]));
    const scale = this.perStep(clock);
    return scale === 1 ? trace.steps : trace.steps.map((step) => step * scale);
  }

  /** What one unit of a chart is that reaches `high`. */
  unit(high) {
    return this.kind === "time" ? (UNITS.find(([length]) => high >= 2 * length) ?? UNITS.at(-1)) : [1, ""];
  }

  words(x) {
    if (this.kind === "wall") {
      if (!(x >= 0 && x <= LAST_MOMENT)) return "–";
      return `${dayOf(x)}, ${new Date(x * 1000).toISOString().slice(11, 19)} ${ZONE}`;
    }
    if (this.kind === "time") {
      const [length, suffix] = this.unit(x);
      return `${(x / length).toFixed(2)}${suffix}`;
    }
    if (this.kind === "epoch") return `epoch ${x.toFixed(2)}`;
    return `${this.kind === "step" ? "step" : "sample"} ${Math.round(x).toLocaleString("en")}`;
  }

  /** What Plotly needs to know besides the range. */
  layout(low, high) {
    if (this.kind === "time") return { tickformat: ".6~g", ticksuffix: this.unit(high)[1] };
    if (this.kind !== "wall") return { ticksuffix: "" };
    const values = clockTicks(low, high);
    return { tickmode: "array", tickvals: values, ticktext: clockTexts(values, high - low), ticksuffix: "" };
  }
}

/** Round times of day in UTC; none before 1970 and after the year 9999. */
function clockTicks(from, to) {
  const [low, high] = [Math.max(from, 0), Math.min(to, LAST_MOMENT)];
  if (high <= low) return [];
  const step = CLOCK_STEPS.find((each) => (high - low) / each <= MAX_TICKS) ?? 86400 * Math.ceil((high - low) / 86400 / MAX_TICKS);
  const ticks = [];
  for (let at = Math.ceil(low / step); at * step <= high; at += 1) ticks.push(at * step);
  return ticks;
}

/** The first says the zone of all. */
function clockTexts(moments, span) {
  return moments.map((each, i) => clockText(each, span) + (i ? "" : ` ${ZONE}`));
}

/** `05 Sep`: the months of a locale differ from browser to browser. */
function dayOf(moment) {
  return new Date(moment * 1000).toUTCString().slice(5, 11);
}

function clockText(moment, span) {
  const day = dayOf(moment);
  const time = new Date(moment * 1000).toISOString().slice(11, span > 300 ? 16 : 19);
  if (span > 86400 * 3) return day;
  return span > 86400 ? `${day} ${time}` : time;
}

/** Index of the element of an array nearest to `x`; -1 for an empty one. Moments need not ascend, steps do. */
export function nearest(xs, x, ascending = true) {
  if (!ascending) return xs.reduce((best, each, i) => (best < 0 || Math.abs(each - x) < Math.abs(xs[best] - x) ? i : best), -1);
  let low = 0;
  let high = xs.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle;
    else high = middle;
  }
  return high >= 0 && Math.abs(xs[high] - x) < Math.abs(xs[low] - x) ? high : low <= high ? low : -1;
}
