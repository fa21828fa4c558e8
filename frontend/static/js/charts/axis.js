// The x axis that all charts share: steps, or time since the start in a unit that suits it.

const UNITS = [[86400, " d"], [3600, " h"], [60, " min"], [1, " s"]];

export class Axis {
  /** @param {"step"|"time"} kind @param {number} start seconds since the epoch */
  constructor(kind, start) {
    this.kind = kind;
    this.start = start;
    this.unit = 1;
    this.suffix = "";
  }

  /** Choose the unit for a run that has come to the moment `last`. */
  fit(last) {
    if (this.kind === "step") return;
    [this.unit, this.suffix] = UNITS.find(([length]) => last - this.start >= 2 * length) ?? UNITS.at(-1);
  }

  /** Where a point stands. */
  at(step, moment) {
    return this.kind === "step" ? step : (moment - this.start) / this.unit;
  }

  xs(trace) {
    return this.kind === "step" ? trace.steps : trace.customdata.map((moment) => this.at(0, moment));
  }

  words(x) {
    return this.kind === "step" ? `step ${Math.round(x).toLocaleString("en")}` : `${x.toFixed(2)}${this.suffix}`;
  }

  layout() {
    return this.kind === "step" ? { tickformat: "~s", ticksuffix: "" } : { tickformat: "", ticksuffix: this.suffix };
  }
}

/** Index of the element of an ascending array nearest to `x`; -1 for an empty one. */
export function nearest(xs, x) {
  let low = 0;
  let high = xs.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle;
    else high = middle;
  }
  return high >= 0 && Math.abs(xs[high] - x) < Math.abs(xs[low] - x) ? high : low <= high ? low : -1;
}
