/*
 * How a transaction is shown in a list, and what its flags mean.
 */

import { h } from "../../lib/dom.js";
import { duration, energy, time } from "../../lib/format.js";
import { badge, stationLink, transactionLink } from "../../lib/parts.js";
import { t } from "../../lib/words.js";

export const EVENTS = { type: ["transaction"] };

export const TRANSACTION_COLUMNS = [
  [t("No."), (one) => transactionLink(one.transactionId)],
  [t("Station"), (one) => stationLink(one.identity)],
  [t("Connector"), (one) => one.connectorId, "number"],
  [t("Id tag"), (one) => one.idTag],
  [t("Start"), (one) => time(one.startTime)],
  [t("Duration"), (one) => lasting(one), "nowrap"],
  [t("Energy"), (one) => energy(one.energy), "number"],
  [t("State"), (one) => [stateOf(one), " ", suspects(one.suspect)]],
];

export function lasting({ startTime, stopTime, closedTime, active }) {
  const end = stopTime ?? closedTime ?? (active ? undefined : null);
  if (end === null) return "–";
  return duration(((end ? new Date(end) : new Date()) - new Date(startTime)) / 1000);
}

export function stateOf({ active, closed, stopReason }) {
  if (active) return badge(t("active"), "busy");
  return badge(stopReason ?? closed ?? t("ended"), closed === "Stopped" ? "good" : "warn");
}

/** What the words of suspect data mean. */
export const SUSPECT = {
  negativeEnergy: t("the last register is below the first"),
  runningBackwards: t("a register is below the one before it"),
  implausibleJump: t("a register grew by more than could have been charged"),
  zeroBegin: t("it claims to begin at 0 Wh, which cannot be; 0 is no baseline then"),
  stopBeforeStart: t("the stop happened before the start"),
  futureTime: t("a time is more than 5 minutes ahead of ours"),
  ancientTime: t("a time is before 2010: a clock that was never set"),
  unreadableTime: t("a time is no ISO 8601"),
  negativeRegister: t("an energy register is below zero"),
  outOfRange: t("a number is beyond 2^53"),
  notANumber: t("a value is no number"),
  superseded: t("it was still open when a new one started on its connector"),
  closedByOperator: t("an operator closed the record"),
  lateStop: t("the station's stop came after it was closed otherwise"),
  stoppedTwice: t("a second stop came, with other figures"),
  startedAgain: t("the same start came again after the stop"),
  guessedTransaction: t("the stop had no known id; this was the only one that fits"),
  unknownTransaction: t("a sample names a transaction that the station does not have"),
};

export function suspects(words = []) {
  return words.map((word) => [h("span.badge.warn", { title: SUSPECT[word] }, word), " "]);
}
