/*
 * How a reservation is shown in a list.
 */

import { call, segment } from "../../lib/api.js";
import { h } from "../../lib/dom.js";
import { time } from "../../lib/format.js";
import { attempt, say } from "../../lib/notice.js";
import { badge, button, stationLink, sure, transactionLink } from "../../lib/parts.js";
import { may } from "../../lib/who.js";
import { t } from "../../lib/words.js";

export const RESERVATION_COLUMNS = () => [
  [t("No."), (one) => one.reservationId, "number"],
  [t("Station"), (one) => stationLink(one.identity)],
  [t("Connector"), (one) => one.connectorId || t("any"), "number"],
  [t("Id tag"), (one) => one.idTag],
  [t("Made"), (one) => time(one.created)],
  [t("Until"), (one) => time(one.expiryDate)],
  [t("State"), (one) => badge(one.status)],
  [t("Transaction"), (one) => transactionLink(one.transactionId)],
  [t("Do"), cancel],
];

function cancel({ status, identity, reservationId }) {
  if (status !== "Active" || !may("operator")) return "";
  const answer = h("span");
  const ask = async () => {
    const said = await call("POST", `stations/${segment(identity)}/calls`, { body: { action: "CancelReservation", payload: { reservationId } } });
    say(t("The station says: {status}", { status: said.status }));
  };
  return [button(t("Cancel it"), () => sure(t("Cancel the reservation?")) && attempt(answer, ask), "danger"), answer];
}
