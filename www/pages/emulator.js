/*
 * One emulated station: everything that people and mishaps do to it, each as
 * a button, with what comes of it.
 */

import { call, get, segment } from "../lib/api.js";
import { Conversation } from "../lib/conversation.js";
import { fill, h } from "../lib/dom.js";
import { number, quantity, time } from "../lib/format.js";
import { follow } from "../lib/live.js";
import { trouble } from "../lib/notice.js";
import { badge, button, choice, facts, heading, labelled, mood, section, stationLink, transactionLink } from "../lib/parts.js";
import { may } from "../lib/who.js";
import { t } from "../lib/words.js";
import { stateOf } from "./emulators.js";

/** [action, what it says, the fields it takes] */
const AT_CONNECTOR = [
  ["plug", t("Plug in")],
  ["presentTag", t("Present the tag"), ["idTag"]],
  ["suspend", t("Suspend")],
  ["resume", t("Resume")],
  ["unplug", t("Unplug")],
  ["fault", t("Fault")],
  ["recover", t("Recover")],
];
const AT_STATION = [
  ["cutPower", t("Power cut")],
  ["restorePower", t("Power comes back")],
  ["reset", t("Reset")],
  ["dropConnection", t("Drop the connection")],
];
const WIRE = ["malformed", "wrong-id", "repeated", "late", "lost", "oversize", "binary", "half-open", "slow", "subprotocol", "clock", "storm"];

export default async function show({ path: [name], query, signal }) {
  const address = `emulators/${segment(name)}`;
  const first = await get(address, {}, signal);
  const state = h("div");
  const answers = h("ol.answers", { "aria-live": "polite" });
  const draw = (now) => fill(state, h("p", stateOf(now), " ", now.powered === false ? badge(t("no power"), "bad") : null, " ", stationLink(now.identity),
    now.queued ? ` · ${t("{n} messages wait", { n: now.queued })}` : null), connectors(now));
  const refresh = async () => {
    const now = await get(address, {}, signal).catch(() => null);
    if (now) draw(now);
  };
  const act = async (action, fields = {}) => {
    answers.prepend(await outcome(`${address}/actions`, { action, ...fields }));
    await refresh();
  };
  draw(first);
  follow({ type: ["status", "connected", "disconnected", "transaction"], identity: first.identity ?? name }, { seen: refresh, tick: refresh, every: 1000 }, signal);
  return h("div", heading(name), section(t("As it is now"), state),
    may("operator") ? controls(first, act) : null,
    section(t("What came of it"), answers),
    section(t("What it says"), new Conversation({ identity: first.identity ?? name }, query, signal).element));
}

function connectors({ connectors: all = [] }) {
  return h("div.connectors", all.map((one) => h("div.connector",
    h("p.connector-head", h("b", one.connectorId ? t("Connector {n}", { n: one.connectorId }) : t("Station itself")), badge(one.status, mood(one.status))),
    h("p.hint", one.plugged ? t("a vehicle is plugged in") : t("no vehicle")),
    facts([
      [t("Power"), one.power === undefined ? null : quantity(one.power, "W")],
      [t("Energy"), one.energy === undefined ? null : quantity(one.energy, "Wh")],
      [t("Charge"), one.soc === null || one.soc === undefined ? null : `${number(one.soc)} %`],
      [t("Transaction"), one.transactionId === null ? null : transactionLink(one.transactionId)],
      [t("Id tag"), one.idTag],
    ]))));
}

function controls({ connectors: all = [] }, act) {
  const numbers = all.map(({ connectorId }) => connectorId).filter(Boolean);
  const connector = choice(numbers.length ? numbers : [1]);
  const tag = h("input", { value: "TAG1", maxlength: 20 });
  const fault = choice(WIRE);
  const at = () => ({ connectorId: Number(connector.value) });
  return section(t("What happens to it"),
    h("div.row", labelled(t("Connector"), connector), labelled(t("Id tag"), tag),
      AT_CONNECTOR.map(([action, text, fields]) => button(text, () => act(action, { ...at(), ...(fields ? { idTag: tag.value } : {}) })))),
    h("h3", t("The whole station")),
    h("div.row", AT_STATION.map(([action, text]) => button(text, () => act(action)))),
    h("h3", t("Faults on the wire")),
    h("div.row", labelled(t("Fault"), fault), button(t("Let it happen"), () => act("wireFault", { fault: fault.value }))));
}

async function outcome(path, body) {
  try {
    const said = await call("POST", path, { body });
    return h("li", time(new Date().toISOString()), " ", h("b", body.action), " ", badge(said.result ?? t("done"), mood(said.result) || "good"));
  } catch (error) {
    return h("li", time(new Date().toISOString()), " ", h("b", body.action), trouble(error));
  }
}
