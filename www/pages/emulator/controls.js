/*
 * Everything that people and mishaps do to an emulated station, each as a
 * button.
 */

import { h } from "../../lib/dom.js";
import { button, choice, labelled, section } from "../../lib/parts.js";
import { t } from "../../lib/words.js";

/** [action, what it says, the field that it takes] */
const AT_CONNECTOR = [
  ["plug", t("Plug in")],
  ["presentTag", t("Present the tag"), "idTag"],
  ["suspend", t("Suspend")],
  ["resume", t("Resume")],
  ["unplug", t("Unplug")],
  ["fault", t("Fault"), "errorCode"],
  ["recover", t("Recover")],
];
const AT_STATION = [
  ["cutPower", t("Power cut")],
  ["restorePower", t("Power comes back")],
  ["reset", t("Reset")],
  ["dropConnection", t("Drop the connection")],
];
const WIRE = [
  ["malformed", t("The end of its next frame is missing")],
  ["wrong-id", t("Its next frame has another message id")],
  ["repeated", t("Its next frame is sent twice")],
  ["late", t("Its next frame is sent 40 seconds later")],
  ["lost", t("Its next frame is not sent")],
  ["oversize", t("A message of 4 MiB comes before its next frame")],
  ["binary", t("Its next frame is a binary one")],
  ["late-answer", t("Its next answer is sent 40 seconds later")],
  ["no-answer", t("Its next answer is not sent")],
  ["half-open", t("The socket stays, and nobody is at it")],
  ["slow", t("It reads nothing for a while")],
  ["subprotocol", t("It offers ocpp16, which is not registered")],
  ["clock", t("Its clock jumps by an hour, until the next heartbeat")],
  ["storm", t("It reconnects again and again")],
];
const SCENARIOS = [
  ["normal-day", t("A vehicle comes, charges, and leaves")],
  ["remote-start", t("An operator starts a transaction, and stops it")],
  ["remote-start-refused", t("An operator cannot start what is busy, broken or not there")],
  ["reservation", t("A connector is reserved, and used by who reserved it")],
  ["smart-charging", t("The central system limits the power, and takes the limit away")],
  ["availability", t("A connector is taken out of service while it charges")],
  ["reset", t("A soft reset ends the transaction, and it boots again")],
  ["power-cut", t("The power fails in a transaction")],
  ["offline-transaction", t("A transaction begins online, and ends while the line is down")],
  ["offline-from-the-start", t("A whole transaction without a line")],
  ["firmware-update", t("New firmware is installed, and diagnostics are uploaded")],
  ["firmware-unreachable", t("Firmware and diagnostics, where nobody is")],
  ["rough-wire", t("Messages are repeated, broken and lost, and the line dies")],
];
/** Why a connector is out of order, as the standard has it. */
const ERRORS = ["OtherError", "ConnectorLockFailure", "EVCommunicationError", "GroundFailure", "HighTemperature", "InternalError",
  "LocalListConflict", "OverCurrentFailure", "OverVoltage", "PowerMeterFailure", "PowerSwitchFailure", "ReaderFailure", "ResetFailure", "UnderVoltage", "WeakSignal"];

/** act(action, fields) lets it happen. */
export function controls({ connectors }, act) {
  const connector = choice(connectors.map(({ connectorId }) => connectorId));
  const fields = {
    idTag: h("input", { value: "TAG1", maxlength: 20 }),
    errorCode: choice(ERRORS),
  };
  const at = (field) => ({ connectorId: Number(connector.value), ...(field ? { [field]: fields[field].value } : {}) });
  return section(t("What happens to it"),
    h("div.row", labelled(t("Connector"), connector), labelled(t("Id tag"), fields.idTag), labelled(t("Error"), fields.errorCode),
      AT_CONNECTOR.map(([action, text, field]) => button(text, () => act(action, at(field))))),
    h("h3", t("The whole station")),
    h("div.row", AT_STATION.map(([action, text]) => button(text, () => act(action)))),
    h("h3", t("Faults on the wire")),
    named(WIRE, (fault) => act("wireFault", { fault })),
    h("h3", t("Scenarios")),
    h("p.hint", t("Each runs in place of the station, with a station that is new; it is back at the end.")),
    named(SCENARIOS, (scenario) => act("scenario", { name: scenario })));
}

/** Buttons by the names that things have elsewhere, too, and what they mean. */
function named(all, act) {
  return h("div.named", all.map(([name, meaning]) => h("div", button(name, () => act(name)), h("small", meaning))));
}
