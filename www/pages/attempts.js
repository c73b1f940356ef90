/*
 * Handshakes that were refused, each with its remedy.
 */

import { h } from "../lib/dom.js";
import { Listing } from "../lib/listing.js";
import { heading } from "../lib/parts.js";
import { t } from "../lib/words.js";
import { ATTEMPT_COLUMNS, stationUrl } from "./station/first.js";

export default function show({ query, signal }) {
  const list = new Listing({
    path: "connectionAttempts", label: t("Connection attempts"), columns: ATTEMPT_COLUMNS,
    empty: t("Nobody was refused so far."), every: 3000,
  }, query, signal);
  return h("div", heading(t("Connection attempts")),
    h("p.hint", t("Who tried to connect as a station and was refused. The right address is:"), " ", h("code", stationUrl("CP1"))),
    list.element);
}
