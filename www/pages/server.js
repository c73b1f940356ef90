/*
 * The central system itself.
 */

import { call, get } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { duration, number } from "../lib/format.js";
import { follow } from "../lib/live.js";
import { attempt, say, trouble } from "../lib/notice.js";
import { button, facts, heading, section } from "../lib/parts.js";
import { table } from "../lib/table.js";
import { may } from "../lib/who.js";
import { t } from "../lib/words.js";
import { stationUrl } from "./station/first.js";

/** What has words of its own. */
const COUNTS = {
  stationsKnown: t("Stations known"),
  stationsConnected: t("Stations connected"),
  journalBacklog: t("Waiting to be written"),
  journalDropped: t("Lost, as they could not be written"),
};

export default function show({ signal }) {
  const now = h("div");
  const decided = h("div");
  const ask = async (place, draw) => {
    try {
      fill(place, draw(await get("server", {}, signal)));
    } catch (error) {
      if (error.name !== "AbortError") fill(place, trouble(error));
    }
  };
  const count = () => ask(now, counted);
  follow({ type: ["connected", "disconnected"] }, { tick: count, every: 5000 }, signal);
  const looking = setInterval(() => document.hidden || count(), 5000);
  signal.addEventListener("abort", () => clearInterval(looking));
  count();
  ask(decided, configured);
  return h("div", heading(t("Server")), now,
    section(t("Configuration in force"), readAgain(() => ask(decided, configured)), decided));
}

function counted({ version, uptime, backend, workers, counts }) {
  return [
    section(t("About"), facts([
      [t("Version"), version],
      [t("Up for"), duration(uptime)],
      [t("Backend"), backend],
      [t("Workers"), workers],
      [t("Address for stations"), h("code", stationUrl())],
      [t("API"), h("a", { href: "docs/" }, t("documentation of the API"))],
    ])),
    section(t("Counts"), facts(Object.entries(counts).map(([name, value]) => [COUNTS[name] ?? name, typeof value === "number" ? number(value) : JSON.stringify(value)]))),
  ];
}

/** What has the server read its configuration again. */
function readAgain(then) {
  if (!may("admin")) return null;
  const answer = h("div");
  const reload = async () => {
    await call("POST", "server/reload");
    say(t("The configuration was read again."));
    await then();
  };
  return h("div", h("p", button(t("Read it again"), () => attempt(answer, reload))), answer);
}

function configured({ configuration }) {
  return [
    table(SETTING, settings(configuration, true), t("What was given")),
    h("details", h("summary", t("The defaults of the rest")),
      table(SETTING, settings(configuration, false), t("Defaults"))),
  ];
}

const SETTING = [
  [t("Section"), ({ name }) => h("code", `[${name}]`)],
  [t("Key"), ({ key }) => h("code", key)],
  [t("Value"), ({ value }) => h("code", value)],
];

/** Those that somebody gave, or those that nobody did. */
function settings(configuration, wanted) {
  return Object.entries(configuration).flatMap(([name, keys]) =>
    Object.entries(keys)
      .filter(([, { given }]) => given === wanted)
      .map(([key, { value }]) => ({ name, key, value })));
}
