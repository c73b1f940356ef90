/*
 * Commands that wait for a station that is away.
 */

import { call, segment } from "../../lib/api.js";
import { h } from "../../lib/dom.js";
import { time } from "../../lib/format.js";
import { Listing } from "../../lib/listing.js";
import { attempt } from "../../lib/notice.js";
import { badge, button, section } from "../../lib/parts.js";
import { may } from "../../lib/who.js";
import { t } from "../../lib/words.js";

export default function show({ station: { identity }, signal }) {
  const path = `stations/${segment(identity)}/queue`;
  const problem = h("div");
  const cancel = (id) => attempt(problem, async () => {
    await call("DELETE", `${path}/${id}`);
    await list.load();
  });
  const columns = [
    [t("No."), (one) => one.id],
    [t("Command"), (one) => h("b", one.action)],
    [t("Payload"), (one) => h("code", JSON.stringify(one.payload))],
    [t("Made"), (one) => time(one.created)],
    [t("Until"), (one) => time(one.expires)],
    [t("State"), (one) => badge(one.status)],
    [t("Answer"), (one) => (one.answer ? h("code", JSON.stringify(one.answer)) : one.error?.message ?? "–")],
    [t("Do"), (one) => (one.status === "waiting" && may("operator") ? button(t("Cancel it"), () => cancel(one.id), "danger") : "")],
  ];
  const list = new Listing({ path, columns, label: t("Queue"), empty: t("No commands wait for it."), every: 3000 }, {}, signal);
  return section(t("Queue"), h("p.hint", t("Commands that wait until it connects again.")), problem, list.element);
}
