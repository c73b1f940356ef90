/*
 * The messages of one station.
 */

import { Conversation } from "../../lib/conversation.js";

export default function show({ station, query, signal }) {
  return new Conversation({ identity: station.identity }, query, signal).element;
}
