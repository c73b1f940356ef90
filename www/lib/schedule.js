/*
 * A charging schedule, drawn.
 */

import { plot } from "./plot.js";
import { duration } from "./format.js";
import { t } from "./words.js";

const DAY = 86400;

/** A chargingSchedule of OCPP: {duration?, startSchedule?, chargingRateUnit, chargingSchedulePeriod} */
export function schedulePlot(schedule, kind, signal) {
  const periods = periodsOf(schedule).sort((a, b) => a.startPeriod - b.startPeriod);
  if (!periods.length) return null;
  const start = schedule.startSchedule ? new Date(schedule.startSchedule).getTime() : 0;
  const last = periods.at(-1).startPeriod;
  const end = schedule.duration ?? Math.max(last * 1.25, last + 3600, kind === "Recurring" ? DAY : 0);
  const points = periods.map(({ startPeriod, limit }) => [start + startPeriod * 1000, limit]);
  points.push([start + end * 1000, periods.at(-1).limit]);
  const clock = start ? undefined : (at) => `+${duration(at / 1000)}`;
  return plot([{ name: t("Limit"), unit: schedule.chargingRateUnit, points }], { step: true, height: 160, label: t("Charging schedule"), clock }, signal);
}

function periodsOf(schedule) {
  const said = schedule?.chargingSchedulePeriod;
  return Array.isArray(said) ? said.filter((one) => Number.isFinite(one?.startPeriod) && Number.isFinite(one.limit)) : [];
}
