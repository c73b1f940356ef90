/*
 * What stations do against the standard, by vendor, model and firmware.
 */

import { h } from "../lib/dom.js";
import { time } from "../lib/format.js";
import { frameText } from "../lib/frames.js";
import { Listing } from "../lib/listing.js";
import { badge, heading } from "../lib/parts.js";
import { toQuery } from "../lib/router.js";
import { t } from "../lib/words.js";

const COLUMNS = [
  [t("Vendor"), (one) => one.vendor || "–"],
  [t("Model"), (one) => one.model || "–"],
  [t("Firmware"), (one) => one.firmware ?? one.firmwareVersion ?? "–"],
  [t("Action"), (one) => h("b", one.action ?? "–")],
  [t("What is wrong"), (one) => [one.path ? h("code", one.path) : null, " ", one.message ?? "", " ", one.rule ? badge(one.rule, "warn") : null, one.reference ? h("p.hint", one.reference) : null]],
  [t("Count"), (one) => one.count, "number"],
  [t("Last"), (one) => time(one.last ?? one.lastSeen)],
  [t("Example"), example],
];

function example(one) {
  const frame = one.example?.call ?? one.example?.frame ?? one.example;
  if (!frame) return "–";
  return h("details", h("summary", t("show")), frameText(typeof frame === "string" ? frame : JSON.stringify(frame), [one]));
}

export default function show({ query, signal }) {
  const list = new Listing({
    path: "violations", label: t("Violations"), columns: COLUMNS, csv: "violations", empty: t("All stations keep to the standard so far."),
  }, query, signal);
  return h("div", heading(t("Violations"), h("a", { href: toQuery(["messages"], { errors: "true" }) }, t("Messages with errors"))),
    h("p.hint", t("By vendor, model and firmware: for a report to the manufacturer.")),
    list.element);
}
