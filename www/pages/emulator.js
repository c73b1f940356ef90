/*
 * One emulated station: how it is, what may happen to it, what comes of it.
 */

import { call, get, segment } from "../lib/api.js";
import { Conversation } from "../lib/conversation.js";
import { fill, h } from "../lib/dom.js";
import { number, time } from "../lib/format.js";
import { follow } from "../lib/live.js";
import { trouble } from "../lib/notice.js";
import { badge, heading, mood, section } from "../lib/parts.js";
import { soon } from "../lib/soon.js";
import { may } from "../lib/who.js";
import { t } from "../lib/words.js";
import { controls } from "./emulator/controls.js";
import { stateNow } from "./emulator/state.js";

/** How long a scenario may take, in ms. */
const LONGEST = 1_000_000;

/** How often its meters are looked at, which are no event, in ms. */
const EVERY = 2000;

export default async function show({ path: [name], query, signal }) {
  const address = `emulators/${segment(name)}`;
  const first = await get(address, {}, signal);
  const { identity } = first;
  const state = h("div");
  const answers = h("ol.answers", { "aria-live": "polite" });
  const refresh = async () => {
    const now = await get(address, {}, signal).catch(() => null);
    if (now) fill(state, stateNow(now));
  };
  const act = (action, fields) => answers.prepend(outcome(`${address}/actions`, { action, ...fields }, refresh));
  fill(state, stateNow(first));
  const again = soon(refresh, 250, signal);
  follow({ type: ["message", "connected", "disconnected"], identity }, { seen: again }, signal);
  follow({}, { tick: again, every: EVERY }, signal);
  return h("div", heading(name), section(t("As it is now"), state),
    may("operator") ? controls(first, act) : null,
    section(t("What came of it"), answers),
    section(t("What it says"), new Conversation({ identity }, query, signal).element));
}

/** What came of it, from the beginning on. */
function outcome(path, body, refresh) {
  const said = h("span", t("Asking …"));
  const ask = async () => {
    try {
      fill(said, resultOf(await call("POST", path, { body, signal: AbortSignal.timeout(LONGEST) })));
    } catch (error) {
      fill(said, trouble(error));
    }
    await refresh();
  };
  ask();
  return h("li", time(new Date().toISOString()), " ", h("b", body.action), " ", body.fault ?? body.name, " ", said);
}

function resultOf({ result }) {
  if (typeof result !== "object") return badge(result ?? t("done"), mood(result) || "good");
  const { ok, failure, findings, seconds } = result;
  return [badge(ok ? t("went well") : t("failed"), ok ? "good" : "bad"), ` ${number(seconds)} ${t("s")} `, failure,
    findings.length ? h("ul", findings.map((one) => h("li", one))) : null];
}
