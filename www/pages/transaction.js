/*
 * One transaction: its figures, its course, and what is suspect about it.
 */

import { all, call, get } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { energy, quantity, time } from "../lib/format.js";
import { follow } from "../lib/live.js";
import { attempt, say, trouble } from "../lib/notice.js";
import { badge, button, facts, heading, section, stationLink, sure } from "../lib/parts.js";
import { samplePlots } from "../lib/samples.js";
import { saveCsv } from "../lib/save.js";
import { table } from "../lib/table.js";
import { t } from "../lib/words.js";
import { may } from "../lib/who.js";
import { lasting, stateOf, SUSPECT } from "./station/transactions.js";

/** Samples that are drawn, at most. */
const MOST = 20_000;

export default async function show({ path: [id], signal }) {
  const body = h("div");
  const draw = async () => {
    try {
      const [transaction, samples] = await Promise.all([
        get(`transactions/${id}`, {}, signal),
        all(`transactions/${id}/meterValues`, {}, MOST, signal),
      ]);
      const text = JSON.stringify([transaction, samples.length]);
      if (text !== body.shown) fill(body, parts(transaction, samples, draw, signal));
      body.shown = text;
    } catch (error) {
      if (error.name !== "AbortError") fill(body, trouble(error));
    }
  };
  await draw();
  follow({ type: ["transaction"] }, { seen: draw, tick: draw, every: 10_000 }, signal);
  return h("div", body);
}

function parts(transaction, samples, draw, signal) {
  const { transactionId: id, identity } = transaction;
  const answer = h("div");
  const save = () => attempt(answer, () => saveCsv(`transaction-${id}.csv`, `transactions/${id}/meterValues`, {}));
  return [
    heading([t("Transaction {id}", { id })].join(), stateOf(transaction), button(t("CSV of the meter values"), save, "quiet"),
      transaction.active ? commands(transaction, answer, draw) : null),
    answer,
    section(t("Figures"), facts([
      [t("Station"), stationLink(identity)],
      [t("Connector"), transaction.connectorId],
      [t("Id tag"), [transaction.idTag, " ", badge(transaction.idTagStatus)]],
      [t("Start"), time(transaction.startTime, { full: true })],
      [t("Stop"), transaction.stopTime && time(transaction.stopTime, { full: true })],
      [t("Duration"), lasting(transaction)],
      [t("Energy"), transaction.energy === undefined ? null : h("b", energy(transaction.energy))],
      [t("Meter at the start"), quantity(transaction.meterStart, "Wh")],
      [t("Meter at the stop"), transaction.meterStop === undefined ? null : quantity(transaction.meterStop, "Wh")],
      [t("Reason"), transaction.stopReason ?? transaction.closeReason],
      [t("Stopped with"), transaction.stopIdTag],
      [t("Reservation"), transaction.reservationId],
    ])),
    transaction.suspect.length ? section(t("Suspect"), h("ul", transaction.suspect.map((word) =>
      h("li", badge(word, "warn"), " ", SUSPECT[word] ?? "")))) : null,
    section(t("Course"), h("div.plots", samplePlots(samples, signal))),
    transaction.keptAside?.length ? section(t("Messages that contradict it"), table([
      [t("Time"), (one) => time(one.time)],
      [t("Action"), (one) => one.action],
      [t("Reason"), (one) => one.reason],
      [t("Payload"), (one) => h("code", one.payload)],
    ], transaction.keptAside, t("Messages that contradict it"))) : null,
  ];
}

/** Two things that are often confused: to stop charging, and to close a record. */
function commands({ transactionId: id, identity }, answer, draw) {
  const stop = async () => {
    const { status } = await call("POST", `stations/${encodeURIComponent(identity)}/calls`, { body: { action: "RemoteStopTransaction", payload: { transactionId: id } } });
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
