/*
 * Lines over time, as SVG: of [{name, unit, points: [[ms, value, suspect?]]}].
 *
 * The cursor follows the mouse, and the arrow keys; what is there is said
 * below, for all to read.
 */

import { fill, h, s } from "./dom.js";
import { clockText, fullText, number, scale, time } from "./format.js";
import { t } from "./words.js";

const MARGIN = { top: 12, right: 12, bottom: 24, left: 56 };

/** Points of a line, at most; more cannot be seen. */
const MOST = 1500;

/** From here on the day is said, too, in ms. */
const DAY = 86_400_000;

export function plot(series, options, signal) {
  const made = new Plot(options, signal);
  made.show(series);
  return made.element;
}

export class Plot {
  /** step: the value holds until the next; clock(ms): in place of the time. */
  constructor({ height = 220, step = false, label = "", clock } = {}, signal) {
    Object.assign(this, { height, step, label, clock });
    this.said = h("p.plot-said.hint", { role: "status" });
    this.legend = h("p.legend");
    this.canvas = h("div", { tabindex: 0, role: "img", onkeydown: (event) => this.key(event) });
    this.element = h("div.plot", this.legend, this.canvas, this.said);
    this.canvas.addEventListener("pointermove", (event) => this.point(event.offsetX));
    this.canvas.addEventListener("pointerleave", () => this.leave());
    const sized = new ResizeObserver(() => this.draw());
    sized.observe(this.canvas);
    signal?.addEventListener("abort", () => sized.disconnect());
  }

  /** Draw these from now on. */
  show(series) {
    this.series = series.map((one) => ({ ...one, points: thinned(one.points) }));
    this.canvas.setAttribute("aria-label", `${this.label}: ${this.summary()}`);
    fill(this.legend, series.map(({ name }, at) => h("span", { class: colour(at) }, h("b", name))));
    this.draw();
  }

  summary() {
    return this.series.map(({ name, unit, points }) => {
      const values = points.map(([, value]) => value);
      return t("{name} from {least} to {most} {unit}", {
        name, unit, least: number(Math.min(...values)), most: number(Math.max(...values)),
      });
    }).join("; ");
  }

  draw() {
    const width = this.canvas.clientWidth;
    if (!width) return;
    this.width = width;
    this.x = this.times();
    this.y = this.values();
    this.cursor = s("line.cursor", { y1: MARGIN.top, y2: this.height - MARGIN.bottom, visibility: "hidden" });
    fill(this.canvas, s("svg", { height: this.height, viewBox: `0 0 ${width} ${this.height}`, "aria-hidden": "true" },
      this.valueAxis(), this.timeAxis(),
      this.series.map((one, at) => this.line(one, at)),
      this.series.map(({ points }) => points.filter(([, , suspect]) => suspect).map((point) => this.mark(point))),
      this.cursor));
  }

  times() {
    const all = this.series.flatMap(({ points }) => [points[0]?.[0], points.at(-1)?.[0]]).filter((at) => at !== undefined);
    const first = Math.min(...all);
    const last = Math.max(...all, first + 1000);
    const wide = this.width - MARGIN.left - MARGIN.right;
    return { first, last, to: (at) => MARGIN.left + ((at - first) / (last - first)) * wide, from: (x) => first + ((x - MARGIN.left) / wide) * (last - first) };
  }

  values() {
    const all = this.series.flatMap(({ points }) => points.map(([, value]) => value));
    let least = Math.min(...all);
    let most = Math.max(...all);
    // A line from 0 says more than one that fills its place, if 0 is near.
    if (least > 0 && least < most / 2) least = 0;
    if (least === most) [least, most] = [least - 1, most + 1];
    const size = tick(most - least, 5);
    least = Math.floor(least / size) * size;
    most = Math.ceil(most / size) * size;
    const high = this.height - MARGIN.top - MARGIN.bottom;
    return { least, most, size, to: (value) => MARGIN.top + ((most - value) / (most - least)) * high };
  }

  valueAxis() {
    const { least, most, size } = this.y;
    const unit = this.series[0]?.unit;
    const ticks = [];
    for (let at = 0; at <= Math.round((most - least) / size); at++) ticks.push(least + at * size);
    return ticks.map((value, at) => {
      const [scaled, name] = scale(value, unit, most);
      const y = this.y.to(value);
      return [
        s("line.grid-line", { x1: MARGIN.left, x2: this.width - MARGIN.right, y1: y, y2: y }),
        s("text", { x: MARGIN.left - 6, y: y + 4, "text-anchor": "end" }, number(scaled) + (at === ticks.length - 1 ? ` ${name}` : "")),
      ];
    });
  }

  timeAxis() {
    const count = Math.max(1, Math.floor(this.width / 130));
    const { first, last } = this.x;
    const clock = this.clock ?? (last - first > DAY ? fullText : clockText);
    return Array.from({ length: count + 1 }, (_, at) => {
      const when = first + ((last - first) * at) / count;
      const anchor = at === 0 ? "start" : at === count ? "end" : "middle";
      return s("text", { x: this.x.to(when), y: this.height - 6, "text-anchor": anchor }, clock(when));
    });
  }

  line({ points }, at) {
    const path = points.map(([when, value], index) => {
      const x = this.x.to(when).toFixed(1);
      const y = this.y.to(value).toFixed(1);
      if (!index) return `M${x} ${y}`;
      return this.step ? `H${x}V${y}` : `L${x} ${y}`;
    });
    return s("path.series", { class: colour(at), d: path.join("") });
  }

  mark([when, value]) {
    return s("circle.dot-mark", { cx: this.x.to(when), cy: this.y.to(value), r: 4 });
  }

  key(event) {
    const times = this.series[0]?.points ?? [];
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !times.length) return;
    event.preventDefault();
    this.at = Math.max(0, Math.min(times.length - 1, (this.at ?? -1) + step));
    this.point(this.x.to(times[this.at][0]));
  }

  point(x) {
    if (!this.x) return;
    const there = this.x.from(x);
    const near = this.series.map(({ name, unit, points }) => [name, unit, nearest(points, there, this.step)]).filter(([, , point]) => point);
    if (!near.length) return;
    const at = this.step ? Math.max(this.x.first, Math.min(there, this.x.last)) : near[0][2][0];
    this.cursor.setAttribute("x1", this.x.to(at));
    this.cursor.setAttribute("x2", this.x.to(at));
    this.cursor.setAttribute("visibility", "visible");
    const values = near.map(([name, unit, [, value, suspect]]) => {
      const [scaled, scaledUnit] = scale(value, unit);
      return `${name} ${number(scaled)} ${scaledUnit}${suspect ? ` (${suspect})` : ""}`;
    });
    const when = this.clock ? this.clock(at) : time(new Date(at).toISOString(), { full: true });
    fill(this.said, when, ` · ${values.join(" · ")}`);
  }

  leave() {
    this.cursor?.setAttribute("visibility", "hidden");
    this.said.textContent = "";
  }
}

const colour = (at) => `series-${(at % 6) + 1}`;

/** A round size of ticks: 1, 2 or 5 times a power of ten. */
function tick(range, count) {
  const rough = range / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((times) => times * power >= rough) ?? 10);
}

function nearest(points, when, isStep) {
  let best;
  for (const point of points) {
    if (isStep && point[0] > when) break;
    if (isStep || !best || Math.abs(point[0] - when) < Math.abs(best[0] - when)) best = point;
  }
  return best ?? points[0];
}

/** Every so many points; but those that are suspect stay. */
function thinned(points) {
  const every = Math.ceil(points.length / MOST);
  return points.filter(([, , suspect], at) => suspect || at % every === 0 || at === points.length - 1);
}
