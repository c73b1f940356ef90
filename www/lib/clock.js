/*
 * How far the clock of a station is from ours: by a message that says when it
 * was made, and was sent at once.
 */

import { get } from "./api.js";
import { parseFrame } from "./frames.js";

/** Others may have waited while the station was offline. */
const PROMPT = "StatusNotification";

/** Seconds that the clock is ahead, by a message of the log; or undefined. */
export function skewOf({ action, call, time }) {
  if (action !== PROMPT) return undefined;
  const seconds = (new Date(parseFrame(call)?.[3]?.timestamp) - new Date(time)) / 1000;
  return Number.isFinite(seconds) ? seconds : undefined;
}

/** The same, by the last of them. */
export async function lastSkew(identity, signal) {
  const { items } = await get("messages", { identity, action: PROMPT, limit: 20 }, signal);
  return items.map(skewOf).find((seconds) => seconds !== undefined);
}
