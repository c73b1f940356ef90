/*
 * What stations do against the standard, by vendor, model and firmware.
 */

import { h } from "../lib/dom.js";
import { time } from "../lib/format.js";
import { frameText } from "../lib/frames.js";
import { Listing } from "../lib/listing.js";
import { badge, heading, stationLink } from "../lib/parts.js";
import { toQuery } from "../lib/router.js";
import { t } from "../lib/words.js";

const COLUMNS = [
  [t("Model"), ({ vendor, model, firmware, version }) => [
    h("b", [vendor, model].filter(Boolean).join(" ") || "–"),
    h("p.hint", [firmware, version && `OCPP ${version}`].filter(Boolean).join(" · "))]],
  [t("Action"), (one) => h("b", one.action ?? "–")],
  [t("What is wrong"), whatIsWrong],
  [t("Count"), (one) => one.count, "number"],
  [t("Stations"), (one) => one.stations, "number"],
  [t("Last"), (one) => time(one.last)],
  [t("Example"), example],
];

function whatIsWrong({ path, message, rule, reference }) {
  return [
    path ? [h("code", path), " "] : null, message, " ", rule ? badge(rule, "warn") : null,
    reference ? h("p.hint", reference) : null,
  ];
}

function example({ path, example: { identity, call, message } }) {
  return h("details", h("summary", t("show")), h("p", stationLink(identity), " ", message), frameText(call, [{ path, message }]));
}

export default function show({ query, signal }) {
  const list = new Listing({
    path: "violations", label: t("Violations"), columns: COLUMNS, csv: "violations", empty: t("All stations keep to the standard so far."),
  }, query, signal);
  return h("div", heading(t("Violations"), h("a", { href: toQuery(["messages"], { errors: "true" }) }, t("Messages with errors"))),
    h("p.hint", t("By vendor, model and firmware: for a report to the manufacturer.")),
    list.element);
}
