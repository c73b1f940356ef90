/*
 * The central system itself.
 */

import { call, get } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { duration, number } from "../lib/format.js";
import { pretty } from "../lib/frames.js";
import { follow } from "../lib/live.js";
import { attempt, say, trouble } from "../lib/notice.js";
import { button, facts, heading, section } from "../lib/parts.js";
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
  const body = h("div");
  const answer = h("div");
  const draw = async () => {
    try {
      fill(body, parts(await get("server", {}, signal), answer));
    } catch (error) {
      if (error.name !== "AbortError") fill(body, trouble(error));
    }
  };
  follow({ type: ["connected", "disconnected"] }, { tick: draw, every: 5000 }, signal);
  const looking = setInterval(() => document.hidden || draw(), 5000);
  signal.addEventListener("abort", () => clearInterval(looking));
  draw();
  return h("div", heading(t("Server")), body);
}

function parts({ version, uptime, backend, workers, counts, configuration, canReload }, answer) {
  const reload = async () => {
    await call("POST", "server/reload");
    say(t("The configuration was read again."));
  };
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
    configuration ? section(t("Configuration in force"),
      canReload && may("admin") ? h("p", button(t("Read it again"), () => attempt(answer, reload))) : null, answer,
      h("pre", h("code", pretty(configuration)))) : null,
  ];
}
