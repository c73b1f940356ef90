/*
 * One command to many stations: a line for each, as it answers.
 */

import { request } from "../lib/api.js";
import { chosen } from "../lib/chosen.js";
import { fill, h } from "../lib/dom.js";
import { formBesideJson } from "../lib/form.js";
import { attempt } from "../lib/notice.js";
import { badge, choice, heading, labelled, mood, stationLink } from "../lib/parts.js";
import { to } from "../lib/router.js";
import { actionsOf, grouped, schemaOf } from "../lib/schemas.js";
import { row, table } from "../lib/table.js";
import { may } from "../lib/who.js";
import { t } from "../lib/words.js";
import { exampleOf } from "./station/examples.js";

const COLUMNS = [
  [t("Station"), ({ identity }) => stationLink(identity)],
  [t("State"), ({ status, answer, error }) => (status === "ok" ? badge(answer.status ?? t("done"), mood(answer.status) || "good") : badge(error.code, "bad"))],
  [t("Answer"), ({ answer, error }) => (error ? error.message : h("code", JSON.stringify(answer)))],
];

export default async function show({ signal }) {
  const { identities, version } = chosen;
  const top = heading(t("Command many stations"), h("a", { href: to("stations") }, t("Choose others")));
  if (!identities.length) return h("div", top, h("p.hint.empty", t("No stations are chosen.")));
  if (!may("operator")) return h("div", top, h("p.hint", t("Your role may not command stations.")));
  const { actions } = await actionsOf(version);
  const body = h("div");
  const draw = async () => fill(body, await form(action.value, identities, version, signal));
  const action = h("select", { onchange: draw }, grouped(actions).map(([group, members]) =>
    h("optgroup", { label: t(group) }, members.map((name) => h("option", { value: name }, name)))));
  action.value = "TriggerMessage";
  await draw();
  return h("div", top, h("p.hint", summary(identities)), h("section.panel", labelled(t("Command"), action), body));
}

const summary = (identities) =>
  t("{n} stations: {names}", { n: identities.length, names: identities.slice(0, 20).join(", ") + (identities.length > 20 ? " …" : "") });

async function form(action, identities, version, signal) {
  const { request: schema } = await schemaOf(version, action);
  const fields = formBesideJson(schema, await exampleOf(action, schema, { identity: identities[0] }, signal));
  const answers = h("div", { "aria-live": "polite" });
  const send = h("button.primary", { type: "submit" }, t("Send to {n} stations", { n: identities.length }));
  const submit = (event) => {
    event.preventDefault();
    const payload = fields.value();
    if (payload !== undefined) attempt(answers, () => ask({ action, payload, identities }, answers, signal));
  };
  return h("form.form", { onsubmit: submit, novalidate: true }, fields.element, h("div.row", send), answers);
}

async function ask(body, place, signal) {
  const lines = table(COLUMNS, [], t("Answers"));
  const count = h("p.count", { role: "status" });
  fill(place, count, lines);
  const answer = await request("POST", "calls", { body, signal, accept: "application/x-ndjson" });
  let heard = 0;
  for await (const said of linesOf(answer.body)) {
    lines.querySelector("tbody").prepend(row(COLUMNS, said));
    count.textContent = t("{n} of {all} have answered", { n: ++heard, all: body.identities.length });
  }
}

/** The values of a stream of lines of JSON. */
async function* linesOf(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}
