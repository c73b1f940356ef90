/*
 * One station: what it is, what it says, what it can be told.
 */

import { get, segment } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { modelOf } from "../lib/fleet.js";
import { time } from "../lib/format.js";
import { follow } from "../lib/live.js";
import { trouble } from "../lib/notice.js";
import { heading } from "../lib/parts.js";
import { to } from "../lib/router.js";
import { soon } from "../lib/soon.js";
import { t } from "../lib/words.js";
import { connection } from "./station/line.js";

/** [name, title, module] */
const TABS = [
  ["", t("Overview"), "overview"],
  ["commands", t("Commands"), "commands"],
  ["configuration", t("Configuration"), "configuration"],
  ["messages", t("Messages"), "messages"],
  ["records", t("Records"), "records"],
  ["violations", t("Violations"), "violations"],
  ["queue", t("Queue"), "queue"],
  ["settings", t("Settings"), "settings"],
];

/** What changes what is known of it. */
const TYPES = ["connected", "disconnected", "message"];

export default async function show({ path, query, signal }) {
  const [identity, tab = "", ...rest] = path;
  const station = await get(`stations/${segment(identity)}`, {}, signal);
  const found = TABS.find(([name]) => name === tab) ?? TABS[0];
  const module = await import(`./station/${found[2]}.js`);
  const top = h("div", head(station));
  const problem = h("div");
  const place = { station, path: rest, query, signal, changed: () => {} };
  const body = await module.default(place);
  const refresh = async () => {
    try {
      const now = await get(`stations/${segment(identity)}`, {}, signal);
      place.station = now;
      fill(top, head(now));
      fill(problem);
      place.changed(now);
    } catch (error) {
      if (error.name !== "AbortError") fill(problem, trouble(error));
    }
  };
  follow({ type: TYPES, identity }, { seen: soon(refresh, 1000, signal), tick: refresh, every: 3000 }, signal);
  return h("div", top, problem, tabs(identity, found[0]), body);
}

function head(station) {
  const { identity, connected, disconnectReason } = station;
  return [
    heading(identity, h("span", modelOf(station), " ", connection(station))),
    connected ? null : h("p.warning", whyNot(station, disconnectReason)),
  ];
}

/** Why it cannot be commanded. */
function whyNot({ lastSeen }, reason) {
  if (!lastSeen) return t("It is registered, but has never connected. It cannot be commanded.");
  return [t("It is not connected, so it cannot be commanded. Last seen:"), " ", time(lastSeen, { full: true }), ". ", reason];
}

function tabs(identity, here) {
  return h("nav.tabs", { "aria-label": t("Of this station") }, TABS.map(([name, title]) =>
    h("a", { href: name ? to("stations", identity, name) : to("stations", identity), "aria-current": name === here ? "page" : null }, title)));
}
