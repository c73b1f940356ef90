/*
 * A station in the list: as a line, or as a card.
 */

import { h } from "../../lib/dom.js";
import { bootOf, isWrong, modelOf } from "../../lib/fleet.js";
import { ago, time } from "../../lib/format.js";
import { badge, mood } from "../../lib/parts.js";
import { to } from "../../lib/router.js";
import { t } from "../../lib/words.js";

export const HEADS = [
  ["identity", t("Station")],
  ["state", t("State")],
  ["connectors", t("Connectors")],
  ["model", t("Model")],
  ["version", t("OCPP")],
  ["lastSeen", t("Last seen")],
];

/** Connectors of one station that are shown in a list. */
const MOST = 6;

export function line(station) {
  const cell = (...content) => h("span", { role: "cell" }, ...content);
  return h("div.line", { role: "row" },
    cell(h("a", { href: to("stations", station.identity), title: station.identity }, station.identity)),
    cell(connection(station)),
    cell(connectors(station)),
    cell(modelOf(station) || "–"),
    cell(station.version ?? "–"),
    cell(time(station.lastSeen)));
}

export function card(station) {
  const { firmware } = bootOf(station);
  return h("div.card-place", { role: "listitem" },
    h("a.card", { href: to("stations", station.identity), class: station.connected ? "" : "gone" },
      h("span.card-head", h("b", { title: station.identity }, station.identity), station.version ? h("span.version", station.version) : null),
      h("span.card-model", modelOf(station) || t("has not said what it is"), firmware ? ` · ${firmware}` : ""),
      h("span.card-connectors", connectors(station)),
      h("span.card-foot", connection(station), h("span", station.connected ? station.address : ago(station.lastSeen)))));
}

/** Whether it is here; if not, why not. */
export function connection(station) {
  return station.connected
    ? badge(t("connected"), "good")
    : h("span.badge", { title: station.disconnectReason }, t("silent"));
}

export function connectors({ connectors: all }) {
  // What is wrong comes first: there may be no room for all.
  const shown = (all.length > 1 ? all.filter((one) => one.connectorId !== 0 || isWrong(one)) : all)
    .toSorted((a, b) => isWrong(b) - isWrong(a)).slice(0, MOST);
  if (!shown.length) return "–";
  return [shown.map(chip), all.length > MOST + 1 ? ` +${all.length - MOST}` : null];
}

function chip(connector) {
  const { connectorId, status, errorCode } = connector;
  const text = isWrong(connector) && errorCode ? `${status} (${errorCode})` : status;
  return h("span.chip", { class: isWrong(connector) ? "bad" : mood(status), title: text }, `${connectorId} `, text);
}
