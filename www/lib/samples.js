/*
 * Meter values as plots: one for each unit.
 */

import { h } from "./dom.js";
import { plot } from "./plot.js";
import { t } from "./words.js";

/** The units worth looking at first. */
const FIRST = ["W", "Wh", "A", "V", "%"];

const SCALES = { kWh: ["Wh", 1000], kW: ["W", 1000], kVA: ["VA", 1000], kvar: ["var", 1000], kvarh: ["varh", 1000], Percent: ["%", 1] };

/** Samples of the API: {time, measurand, value, unit, phase, ...} */
export function samplePlots(samples, signal) {
  const groups = new Map();
  const connectors = new Set(samples.map(({ connectorId }) => connectorId));
  for (const sample of samples) add(groups, sample, connectors.size > 1);
  const units = [...groups.keys()].sort((a, b) => rank(a) - rank(b));
  if (!units.length) return [h("p.hint", t("No meter values that could be drawn."))];
  return units.map((unit) => h("div.unit", plot([...groups.get(unit).values()], { label: unit || t("Meter values"), height: 200 }, signal)));
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
  return `${measurand ?? "Energy.Active.Import.Register"}${phase ? ` ${phase}` : ""}${place}`;
}

const rank = (unit) => (FIRST.includes(unit) ? FIRST.indexOf(unit) : FIRST.length);

/** A MeterValue of OCPP as samples of that shape. */
export function samplesOf(meterValue, connectorId) {
  const { timestamp, sampledValue } = meterValue ?? {};
  if (!Array.isArray(sampledValue)) return [];
  return sampledValue.filter((sample) => sample && typeof sample === "object").map((sample) => ({ time: timestamp, connectorId, ...flat(sample) }));
}

function flat(sample) {
  const { measurand: said } = sample;
  const { unit = "Wh", multiplier = 0 } = sample.unitOfMeasure ?? {};
  const measurand = typeof said === "string" ? said : "Energy.Active.Import.Register";
  if (!sample.unitOfMeasure) return { unit: measurand.startsWith("Energy") ? "Wh" : "", ...sample, measurand };
  return { ...sample, measurand, unit, value: Number(sample.value) * 10 ** multiplier };
}
