/*
 * Times in the viewer's zone with UTC on hover, and numbers with units.
 */

import { h } from "./dom.js";
import { language, t } from "./words.js";

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const DAY = { year: "numeric", month: "2-digit", day: "2-digit" };

const clock = new Intl.DateTimeFormat(locale(), CLOCK);
const dayAndClock = new Intl.DateTimeFormat(locale(), { ...DAY, ...CLOCK });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });

/** The viewer's own way of writing, if it is in the language in use. */
function locale() {
  return navigator.languages.find((one) => one.startsWith(language)) ?? language;
}

/** The time as an element: local, short if it is today's, UTC on hover. */
export function time(iso, { full = false } = {}) {
  if (!iso) return h("span.none", "–");
  const when = new Date(iso);
  if (Number.isNaN(when.getTime())) return h("span", String(iso));
  const text = full || !isToday(when) ? dayAndClock.format(when) : clock.format(when);
  return h("time", { datetime: iso, title: `${iso} (UTC)` }, text);
}

const isToday = (when) => when.toDateString() === new Date().toDateString();

export const clockText = (milliseconds) => clock.format(new Date(milliseconds));
export const fullText = (milliseconds) => dayAndClock.format(new Date(milliseconds));

/** "12 sec. ago" */
export function ago(iso) {
  if (!iso) return t("never");
  const seconds = (new Date(iso).getTime() - Date.now()) / 1000;
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  }
  return relative.format(Math.trunc(Math.min(0, seconds)), "second");
}

/** "3 h 12 min" */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  const units = [[86400, t("d")], [3600, t("h")], [60, t("min")], [1, t("s")]];
  const parts = [];
  let left = Math.max(0, Math.round(seconds));
  for (const [length, unit] of units) {
    const count = Math.floor(left / length);
    if (count || (length === 1 && !parts.length)) parts.push(`${count} ${unit}`);
    left -= count * length;
  }
  return parts.slice(0, 2).join(" ");
}

const plain = new Intl.NumberFormat(locale(), { maximumFractionDigits: 2 });

export const number = (value) => plain.format(value);

/** Wh as "12.3 kWh" */
export function energy(wh) {
  if (wh === null || wh === undefined) return "–";
  return quantity(wh, "Wh");
}

/** A value with its unit, in thousands where that is shorter. */
export function quantity(value, unit) {
  const [scaled, unitScaled] = scale(value, unit);
  return `${number(scaled)} ${unitScaled}`.trim();
}

const SCALED = new Set(["Wh", "W", "VA", "var", "varh"]);

/** [12.3, "kWh"] of (12300, "Wh") */
export function scale(value, unit, like = value) {
  if (SCALED.has(unit) && Math.abs(like) >= 1000) return [value / 1000, `k${unit}`];
  return [value, unit ?? ""];
}

export function milliseconds(value) {
  if (value === null || value === undefined) return "–";
  return value >= 10_000 ? `${number(value / 1000)} ${t("s")}` : `${number(Math.round(value * 10) / 10)} ms`;
}
