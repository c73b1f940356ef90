/*
 * What a station may draw in the time to come, as it says itself, drawn.
 */

import { get, segment } from "../../lib/api.js";
import { fill, h } from "../../lib/dom.js";
import { attempt } from "../../lib/notice.js";
import { button, choice, labelled, section } from "../../lib/parts.js";
import { schedulePlot } from "../../lib/schedule.js";
import { t } from "../../lib/words.js";

export function composite({ identity, connectors }, signal) {
  const connector = choice(numbers(connectors).map((one) => [one, one || t("all")]));
  const unit = choice([["A", "A"], ["W", "W"]]);
  const hours = choice([["1", t("1 hour")], ["24", t("a day")], ["168", t("a week")]], "24");
  const answer = h("div", { "aria-live": "polite" });
  const ask = () => attempt(answer, async () => {
    const query = { connectorId: connector.value, chargingRateUnit: unit.value, duration: Number(hours.value) * 3600 };
    fill(answer, drawn(await get(`stations/${segment(identity)}/compositeSchedule`, query, signal), signal));
  });
  return section(t("What it may draw"),
    h("div.row", labelled(t("Connector"), connector), labelled(t("Unit"), unit), labelled(t("For the next"), hours), button(t("Ask the station"), ask, "primary")),
    answer);
}

const numbers = (connectors) => [...new Set([0, ...connectors.map(({ connectorId }) => connectorId)])];

/** An answer to GetCompositeSchedule: {status, scheduleStart, chargingSchedule} */
function drawn({ status, scheduleStart, chargingSchedule }, signal) {
  if (!chargingSchedule) return h("p.hint", t("The station says: {status}", { status }));
  const schedule = { startSchedule: scheduleStart, ...chargingSchedule };
  return schedulePlot(schedule, "Absolute", signal) ?? h("p.hint", t("Nothing limits it."));
}
