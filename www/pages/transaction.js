/*
 * One transaction: its figures, its course, and what is suspect about it.
 */

import { call, get, segment } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { energy, quantity, time } from "../lib/format.js";
import { Growing } from "../lib/growing.js";
import { follow } from "../lib/live.js";
import { attempt, say } from "../lib/notice.js";
import { badge, button, facts, heading, section, stationLink, sure } from "../lib/parts.js";
import { energySince, SamplePlots } from "../lib/samples.js";
import { saveCsv } from "../lib/save.js";
import { soon } from "../lib/soon.js";
import { table } from "../lib/table.js";
import { t } from "../lib/words.js";
import { may } from "../lib/who.js";
import { lasting, stateOf, SUSPECT } from "./station/transactions.js";

/** Samples that are drawn, at most. */
const MOST = 20_000;

export default async function show({ path: [id], signal }) {
  const path = `transactions/${segment(id)}`;
  const values = new Growing(`${path}/meterValues`, MOST);
  const plots = new SamplePlots(signal);
  const [top, answer, about, rest, problem] = Array.from({ length: 5 }, () => h("div"));
  let isActive;
  const draw = async () => {
    const [transaction, samples] = await Promise.all([get(path, {}, signal), values.all(signal)]);
    plots.show(samples);
    // Buttons stay as long as they can, and with them the keyboard.
    if (transaction.active !== isActive) fill(top, head(transaction, answer, draw));
    isActive = transaction.active;
    fill(about, figures(transaction, transaction.energy ?? energySince(transaction.meterStart, samples)));
    fill(rest, contradicting(transaction));
    return transaction;
  };
  const again = soon(() => attempt(problem, draw), 500, signal);
  const { identity } = await draw();
  const seen = ({ type, action }) => (type === "transaction" || action === "MeterValues") && again();
  follow({ type: ["message", "transaction"], identity }, { seen, tick: again, every: 10_000 }, signal);
  return h("div", top, answer, problem, about, section(t("Course"), plots.element), rest);
}

function head(transaction, answer, draw) {
  const { transactionId: id } = transaction;
  const save = () => attempt(answer, () => saveCsv(`transaction-${id}.csv`, `transactions/${id}/meterValues`, {}));
  return heading(t("Transaction {id}", { id }), stateOf(transaction), button(t("CSV of the meter values"), save, "quiet"),
    transaction.active ? commands(transaction, answer, draw) : null);
}

function figures(transaction, gained) {
  return [
    section(t("Figures"), facts([
      [t("Station"), stationLink(transaction.identity)],
      [t("Connector"), transaction.connectorId],
      [t("Id tag"), [transaction.idTag, " ", badge(transaction.idTagStatus)]],
      [t("Start"), time(transaction.startTime, { full: true })],
      [t("Stop"), transaction.stopTime && time(transaction.stopTime, { full: true })],
      [t("Duration"), lasting(transaction)],
      [t("Energy"), h("b", energy(gained))],
      [t("Meter at the start"), quantity(transaction.meterStart, "Wh")],
      [t("Meter at the stop"), transaction.meterStop === undefined ? null : quantity(transaction.meterStop, "Wh")],
      [t("Reason"), transaction.stopReason ?? transaction.closeReason],
      [t("Stopped with"), transaction.stopIdTag],
      [t("Reservation"), transaction.reservationId],
    ])),
    transaction.suspect.length ? section(t("Suspect"), h("ul", transaction.suspect.map((word) =>
      h("li", badge(word, "warn"), " ", SUSPECT[word] ?? "")))) : null,
  ];
}

function contradicting({ keptAside }) {
  return keptAside?.length ? section(t("Messages that contradict it"), table([
    [t("Time"), (one) => time(one.time)],
    [t("Action"), (one) => one.action],
    [t("Reason"), (one) => one.reason],
    [t("Payload"), (one) => h("code", one.payload)],
  ], keptAside, t("Messages that contradict it"))) : null;
}

/** Two things that are often confused: to stop charging, and to close a record. */
function commands({ transactionId: id, identity }, answer, draw) {
  const stop = async () => {
    const { status } = await call("POST", `stations/${segment(identity)}/calls`, { body: { action: "RemoteStopTransaction", payload: { transactionId: id } } });
    say(t("The station says: {status}", { status }));
  };
  const close = async () => {
    await call("POST", `transactions/${id}/close`, { body: { reason: "Other" } });
    await draw();
  };
  return h("div.buttons",
    may("operator") ? button(t("Stop charging"), () => attempt(answer, stop)) : null,
    may("operator") ? button(t("Close the record"), () => sure(t("This does not stop the charging. Close the record of a transaction whose station never will?")) && attempt(answer, close), "danger") : null);
}
