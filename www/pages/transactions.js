/*
 * Transactions, newest first.
 */

import { h } from "../lib/dom.js";
import { Listing } from "../lib/listing.js";
import { heading } from "../lib/parts.js";
import { t } from "../lib/words.js";
import { EVENTS, TRANSACTION_COLUMNS } from "./station/transactions.js";

export default function show({ query, signal }) {
  const list = new Listing({
    path: "transactions", label: t("Transactions"), columns: TRANSACTION_COLUMNS, csv: "transactions",
    empty: t("No transactions."), live: EVENTS,
    specs: [
      { name: "identity", label: t("Station") },
      { name: "idTag", label: t("Id tag") },
      { name: "active", label: t("Active"), kind: "flag" },
      { name: "suspect", label: t("Suspect"), kind: "flag" },
      { name: "from", label: t("From"), kind: "time" },
      { name: "to", label: t("To"), kind: "time" },
    ],
  }, query, signal);
  return h("div", heading(t("Transactions")), list.element);
}
