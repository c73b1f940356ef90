/*
 * Charging profiles: what is installed where, drawn.
 */

import { h } from "../lib/dom.js";
import { Listing } from "../lib/listing.js";
import { heading } from "../lib/parts.js";
import { t } from "../lib/words.js";
import { PROFILE_COLUMNS } from "./station/profiles.js";

export default function show({ query, signal }) {
  const list = new Listing({
    path: "chargingProfiles", label: t("Charging profiles"), columns: PROFILE_COLUMNS(signal),
    empty: t("No charging profiles. Install one by SetChargingProfile on the page of a station."),
    specs: [{ name: "identity", label: t("Station") }],
  }, query, signal);
  return h("div", heading(t("Charging profiles")), list.element);
}
