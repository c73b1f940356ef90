/*
 * What a station does against the standard: each rule that it broke, with
 * the last message that did.
 */

import { get } from "../../lib/api.js";
import { fill, h } from "../../lib/dom.js";
import { time } from "../../lib/format.js";
import { follow } from "../../lib/live.js";
import { trouble } from "../../lib/notice.js";
import { badge, section } from "../../lib/parts.js";
import { to, toQuery } from "../../lib/router.js";
import { soon } from "../../lib/soon.js";
import { table } from "../../lib/table.js";
import { t } from "../../lib/words.js";

/** Messages that are looked through. */
const MOST = 1000;

const COLUMNS = [
  [t("Action"), (one) => h("b", one.action ?? "–")],
  [t("What is wrong"), ({ path, message, rule, advice, reference }) => [
    path ? [h("code", path), " "] : null, advice || message, " ", rule ? badge(rule, "warn") : null,
    reference ? h("p.hint", reference) : null]],
  [t("Count"), (one) => one.count, "number"],
  [t("Last"), (one) => time(one.time)],
  [t("Example"), (one) => h("a", { href: to("messages", String(one.id)) }, t("Message {id}", { id: one.id }))],
];

export default function show({ station: { identity }, signal }) {
  const body = h("div");
  const load = async () => {
    try {
      const { items } = await get("messages", { identity, errors: "true", limit: MOST }, signal);
      const found = counted(items);
      fill(body, found.length ? table(COLUMNS, found, t("Violations")) : h("p.hint.empty", t("It keeps to the standard so far.")));
    } catch (error) {
      if (error.name !== "AbortError") fill(body, trouble(error));
    }
  };
  const again = soon(load, 500, signal);
  const heard = ({ violations }) => violations.length && again();
  follow({ type: ["message"], identity }, { seen: heard, tick: again, every: 5000 }, signal);
  return section(t("Violations"),
    h("p.hint", t("In its last messages with errors."), " ", h("a", { href: toQuery(["stations", identity, "messages"], { errors: "true" }) }, t("Messages with errors"))),
    body);
}

/** Each rule once, with the newest message that broke it. */
function counted(messages) {
  const found = new Map();
  for (const { id, time: when, action, violations } of messages) {
    for (const violation of violations) {
      const key = JSON.stringify([action, (violation.path ?? "").replace(/\[\d+\]/g, "[*]"), violation.rule, violation.advice]);
      if (!found.has(key)) found.set(key, { ...violation, id, time: when, action, count: 0 });
      found.get(key).count += 1;
    }
  }
  return [...found.values()].sort((a, b) => b.count - a.count);
}
