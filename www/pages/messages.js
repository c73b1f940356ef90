/*
 * The messages of all stations, as they pass.
 */

import { Conversation } from "../lib/conversation.js";
import { h } from "../lib/dom.js";
import { heading } from "../lib/parts.js";
import { t } from "../lib/words.js";

export default function show({ query, signal }) {
  return h("div", heading(t("Messages")), new Conversation({}, query, signal).element);
}
