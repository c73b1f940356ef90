/*
 * Meter values as plots: one for each unit.
 */

import { fill, h } from "./dom.js";
import { Plot } from "./plot.js";
import { t } from "./words.js";

/** What is measured where a sample does not say what. */
const REGISTER = "Energy.Active.Import.Register";

/** The units worth looking at first. */
const FIRST = ["W", "Wh", "A", "V", "%"];

const SCALES = { kWh: ["Wh", 1000], kW: ["W", 1000], kVA: ["VA", 1000], kvar: ["var", 1000], kvarh: ["varh", 1000], Percent: ["%", 1] };

export class SamplePlots {
  constructor(signal) {
    this.signal = signal;
    this.plots = new Map();
    this.element = h("div.plots");
  }

  /** Samples of the API: {time, measurand, value, unit, phase, ...} */
  show(samples) {
    const groups = grouped(samples);
    const units = [...groups.keys()].sort((a, b) => rank(a) - rank(b));
    for (const unit of units) this.plotOf(unit).show([...groups.get(unit).values()]);
    const shown = units.map((unit) => this.plots.get(unit).element);
    // Those that are there stay, and with them mouse and keyboard.
    if (shown.length === this.element.children.length && shown.every((one, at) => one === this.element.children[at])) return;
    fill(this.element, shown.length ? shown : h("p.hint", t("No meter values that could be drawn.")));
  }

  plotOf(unit) {
    if (!this.plots.has(unit)) this.plots.set(unit, new Plot({ label: unit || t("Meter values"), height: 200 }, this.signal));
    return this.plots.get(unit);
  }
}

/** By unit, then by name: {name, unit, points}. */
function grouped(samples) {
  const groups = new Map();
  const connectors = new Set(samples.map(({ connectorId }) => connectorId));
  for (const sample of samples) add(groups, sample, connectors.size > 1);
  if (!groups.has("W") && groups.has("Wh")) addPower(groups);
  return groups;
}

/** What a station does not say of its power, its registers tell. */
function addPower(groups) {
  const registers = [...groups.get("Wh").values()].filter(({ name }) => name.startsWith(REGISTER));
  const powers = registers.map(({ name, points }) => [name, { name: t("Power, from {register}", { register: name }), unit: "W", points: slopes(points) }]);
  const known = powers.filter(([, { points }]) => points.length);
  if (known.length) groups.set("W", new Map(known));
}

/** [ms, Wh] as [ms, W] since the one before. */
function slopes(points) {
  return points.slice(1).map(([at, wh, suspect], index) => {
    const [before, from] = points[index];
    return [at, ((wh - from) * 3_600_000) / (at - before), suspect];
  }).filter(([, watts]) => Number.isFinite(watts) && watts >= 0);
}

function add(groups, sample, isOfMany) {
  const value = Number(sample.value);
  const at = new Date(sample.time).getTime();
  if (!Number.isFinite(value) || !Number.isFinite(at) || String(sample.value).trim() === "") return;
  const [unit, times] = SCALES[sample.unit] ?? [sample.unit ?? "", 1];
  const name = nameOf(sample) + (isOfMany ? ` (${sample.connectorId})` : "");
  if (!groups.has(unit)) groups.set(unit, new Map());
  const series = groups.get(unit);
  if (!series.has(name)) series.set(name, { name, unit, points: [] });
  series.get(name).points.push([at, value * times, sample.suspect]);
}

function nameOf({ measurand, phase, location }) {
  const place = location && location !== "Outlet" ? ` @${location}` : "";
  return `${measurand ?? REGISTER}${phase ? ` ${phase}` : ""}${place}`;
}

const rank = (unit) => (FIRST.includes(unit) ? FIRST.indexOf(unit) : FIRST.length);

/** Wh by the newest register of these, since it was so many Wh; or undefined. */
export function energySince(meterStart, samples) {
  const register = samples.findLast(({ measurand = REGISTER, phase }) => measurand === REGISTER && !phase);
  const wh = Number(register?.value) * (register?.unit === "kWh" ? 1000 : 1) - meterStart;
  return Number.isFinite(wh) ? wh : undefined;
}

/** A MeterValue of OCPP as samples of that shape. */
export function samplesOf(meterValue, connectorId) {
  const { timestamp, sampledValue } = meterValue ?? {};
  if (!Array.isArray(sampledValue)) return [];
  return sampledValue.filter((sample) => sample && typeof sample === "object").map((sample) => ({ time: timestamp, connectorId, ...flat(sample) }));
}

function flat(sample) {
  const { measurand: said } = sample;
  const { unit = "Wh", multiplier = 0 } = sample.unitOfMeasure ?? {};
  const measurand = typeof said === "string" ? said : REGISTER;
  if (!sample.unitOfMeasure) return { unit: measurand.startsWith("Energy") ? "Wh" : "", ...sample, measurand };
  return { ...sample, measurand, unit, value: Number(sample.value) * 10 ** multiplier };
}
