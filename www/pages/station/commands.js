/*
 * Commands, as forms made of the official schemas.
 */

import { call, get, segment } from "../../lib/api.js";
import { fill, h } from "../../lib/dom.js";
import { formBesideJson } from "../../lib/form.js";
import { milliseconds, time } from "../../lib/format.js";
import { pretty } from "../../lib/frames.js";
import { trouble } from "../../lib/notice.js";
import { badge, choice, heading, labelled, mood } from "../../lib/parts.js";
import { to } from "../../lib/router.js";
import { actionsOf, grouped, schemaOf } from "../../lib/schemas.js";
import { may } from "../../lib/who.js";
import { t } from "../../lib/words.js";
import { exampleOf } from "./examples.js";

export default async function show(place) {
  const { station, path: [action] } = place;
  if (!may("operator")) return h("p.hint", t("Your role may not command stations."));
  const version = station.version ?? "1.6";
  const { actions } = await actionsOf(version);
  const body = action
    ? await form(place, version, action)
    : h("p.hint.empty", t("Choose a command."));
  return h("div.commands", list(station, actions, action), h("section.panel", body));
}

function list({ identity }, actions, here) {
  const body = h("div");
  const search = h("input", { type: "search", placeholder: t("Search"), "aria-label": t("Search a command"), oninput: () => draw() });
  const draw = () => {
    const sought = search.value.trim().toLowerCase();
    const found = actions.filter((action) => action.toLowerCase().includes(sought));
    fill(body, grouped(found).map(([group, members]) => [
      h("h3", t(group)),
      h("ul", members.map((action) => h("li", h("a", { href: to("stations", identity, "commands", action), "aria-current": action === here ? "page" : null }, action)))),
    ]));
  };
  draw();
  return h("nav.panel.command-list", { "aria-label": t("Commands") }, search, body);
}

async function form(place, version, action) {
  const { station, query, signal } = place;
  const schema = await schemaOf(version, action);
  const example = query.payload ? JSON.parse(query.payload) : await exampleOf(action, schema.request, station, signal);
  const fields = formBesideJson(schema.request, example);
  const queue = choice([["", t("is refused")], ["3600", t("waits for an hour")], ["86400", t("waits for a day")], ["604800", t("waits for a week")]], "");
  const timeout = choice([["", t("as configured")], ["10", "10 s"], ["60", "60 s"], ["300", "300 s"]], "");
  const answers = h("div", { "aria-live": "polite" });
  const send = h("button.primary", { type: "submit" }, t("Send {action}", { action }));
  const submit = async (event) => {
    event.preventDefault();
    const payload = fields.value();
    if (payload === undefined) return;
    send.disabled = true;
    const isAway = !place.station.connected;
    answers.prepend(await ask(station.identity, action, payload, isAway && queue.value ? { queue: queue.value } : { timeout: timeout.value }));
    send.disabled = false;
  };
  return [
    h("h2", action),
    h("form.form", { onsubmit: submit, novalidate: true }, fields.element,
      h("div.row", send, labelled(t("Wait for the answer"), timeout),
        labelled(t("If the station is away, it"), queue))),
    answers,
  ];
}

async function ask(identity, action, payload, query) {
  const began = performance.now();
  const answer = h("div.answer");
  const path = `stations/${segment(identity)}/calls`;
  try {
    const said = await call("POST", path, { body: { action, payload }, query });
    const status = said?.status;
    fill(answer, headOf(began, query.queue ? t("It waits for the station") : t("The station answered"), status ? badge(status, mood(status)) : null),
      h("pre", h("code", pretty(said))));
  } catch (error) {
    fill(answer, headOf(began, t("It failed"), null), trouble(error));
  }
  return answer;
}

function headOf(began, text, beside) {
  const took = performance.now() - began;
  return h("p.answer-head", h("b", text), beside, h("span.hint", time(new Date().toISOString()), " · ", milliseconds(took)));
}
