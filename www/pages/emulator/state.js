/*
 * How an emulated station is now, seen from inside.
 */

import { h } from "../../lib/dom.js";
import { number, quantity } from "../../lib/format.js";
import { badge, facts, stationLink, transactionLink } from "../../lib/parts.js";
import { t } from "../../lib/words.js";
import { stateOf } from "../emulators.js";

export function stateNow(now) {
  return [
    h("p", stateOf(now), " ", now.powered ? null : badge(t("no power"), "bad"), " ", stationLink(now.identity),
      now.queued ? ` · ${t("{n} messages wait", { n: now.queued })}` : null),
    h("div.connectors", now.connectors.map(connectorNow)),
    now.findings.length ? findingsOf(now) : null,
  ];
}

function findingsOf({ findings }) {
  return [h("p", t("What the central system does that the standard does not allow")),
    h("ul.findings", findings.map((one) => h("li", one)))];
}

function connectorNow({ connectorId, status, errorCode, plugged, power, energy, soc, transactionId, idTag }) {
  return h("div.connector",
    h("p.connector-head", h("b", t("Connector {n}", { n: connectorId })), badge(status)),
    h("p.hint", plugged ? t("a vehicle is plugged in") : t("no vehicle")),
    facts([
      [t("Error"), errorCode === "NoError" ? null : errorCode],
      [t("Power"), quantity(power, "W")],
      [t("Energy"), quantity(energy, "Wh")],
      [t("Charge"), soc === null ? null : `${number(soc)} %`],
      [t("Transaction"), transactionId === null ? null : transactionLink(transactionId)],
      [t("Id tag"), idTag],
    ]));
}
