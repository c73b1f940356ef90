/*
 * What the backend keeps of a station: transactions, reservations, profiles.
 */

import { h } from "../../lib/dom.js";
import { Listing } from "../../lib/listing.js";
import { section } from "../../lib/parts.js";
import { may } from "../../lib/who.js";
import { t } from "../../lib/words.js";
import { composite } from "./composite.js";
import { PROFILE_COLUMNS } from "./profiles.js";
import { RESERVATION_COLUMNS } from "./reservations.js";
import { EVENTS, TRANSACTION_COLUMNS } from "./transactions.js";

export default function show({ station, signal }) {
  const { identity } = station;
  const without = (columns, title) => columns.filter(([one]) => one !== title);
  const list = (path, columns, label) => section(label, new Listing({
    path, columns: without(columns, t("Station")), label, fixed: { identity }, live: { ...EVENTS, identity },
  }, {}, signal).element);
  return h("div",
    list("transactions", TRANSACTION_COLUMNS, t("Transactions")),
    list("reservations", RESERVATION_COLUMNS(signal), t("Reservations")),
    list("chargingProfiles", PROFILE_COLUMNS(signal), t("Charging profiles")),
    may("operator") ? composite(station, signal) : null);
}
