/*
 * One message, by its number: what a link to it shows.
 */

import { get } from "../lib/api.js";
import { entry } from "../lib/conversation.js";
import { h } from "../lib/dom.js";
import { heading } from "../lib/parts.js";
import { to } from "../lib/router.js";
import { t } from "../lib/words.js";

export default async function show({ path: [id] }) {
  // The page that begins with it: those before the one that follows.
  const { items } = await get("messages", { cursor: Number(id) + 1, limit: 1 });
  const found = items.find((item) => String(item.id) === id);
  return h("div",
    heading(t("Message {id}", { id }), h("a", { href: to("messages") }, t("All messages"))),
    found ? h("ol.log", entry(found, { open: true })) : h("p.hint.empty", t("It is not kept any more.")));
}
