/*
 * Configuration keys, as a table in which they can be changed.
 */

import { call, segment } from "../../lib/api.js";
import { fill, h } from "../../lib/dom.js";
import { attempt } from "../../lib/notice.js";
import { badge, button, labelled, mood, section } from "../../lib/parts.js";
import { table } from "../../lib/table.js";
import { may } from "../../lib/who.js";
import { t } from "../../lib/words.js";

export default function show({ station }) {
  const body = h("div");
  const problem = h("div", { "aria-live": "polite" });
  const search = h("input", { type: "search", oninput: () => draw() });
  let keys = [];
  let unknown = [];
  const draw = () => {
    const sought = search.value.trim().toLowerCase();
    const found = keys.filter(({ key }) => key.toLowerCase().includes(sought));
    fill(body, keys.length ? table(columns(station), found, t("Configuration")) : null,
      unknown.length ? h("p.hint", t("It does not know:"), " ", unknown.join(", ")) : null);
  };
  const read = () => attempt(problem, async () => {
    ({ configurationKey: keys = [], unknownKey: unknown = [] } = await ask(station, "GetConfiguration", {}));
    keys.sort((a, b) => a.key.localeCompare(b.key));
    draw();
  });
  return section(t("Configuration"),
    h("p.hint", t("It is asked only when you say so.")),
    h("div.row", may("operator") ? button(t("Read all"), read, "primary") : null, labelled(t("Search"), search)),
    problem, body);
}

const ask = ({ identity }, action, payload) =>
  call("POST", `stations/${segment(identity)}/calls`, { body: { action, payload } });

function columns(station) {
  return [
    [t("Key"), ({ key }) => h("code", key)],
    [t("Value"), (one) => valueOf(station, one)],
  ];
}

function valueOf(station, { key, value = "", readonly }) {
  if (readonly || !may("operator")) return h("span", value || "–", " ", badge(t("read only"), ""));
  const answer = h("span", { role: "status" });
  const input = h("input", { value, "aria-label": key, maxlength: 500 });
  const change = (event) => {
    event.preventDefault();
    attempt(answer, async () => {
      const { status } = await ask(station, "ChangeConfiguration", { key, value: input.value });
      fill(answer, badge(status, mood(status)));
    });
  };
  return h("form.row", { onsubmit: change }, input, h("button", { type: "submit" }, t("Change")), answer);
}
