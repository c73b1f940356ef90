/*
 * Reservations, newest first.
 */

import { h } from "../lib/dom.js";
import { Listing } from "../lib/listing.js";
import { heading } from "../lib/parts.js";
import { t } from "../lib/words.js";
import { RESERVATION_COLUMNS } from "./station/reservations.js";

export default function show({ query, signal }) {
  const list = new Listing({
    path: "reservations", label: t("Reservations"), columns: RESERVATION_COLUMNS(), csv: "reservations",
    empty: t("No reservations."),
    specs: [
      { name: "identity", label: t("Station") },
      { name: "status", label: t("State"), kind: "choice", options: ["Active", "Used", "Cancelled", "Expired", "Faulted"] },
      { name: "idTag", label: t("Id tag") },
      { name: "from", label: t("From"), kind: "time" },
      { name: "to", label: t("To"), kind: "time" },
    ],
  }, query, signal);
  return h("div", heading(t("Reservations")), list.element);
}
