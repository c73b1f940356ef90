/*
 * What an empty installation shows: how to connect the first station.
 */

import { call, segment } from "../../lib/api.js";
import { fill, h } from "../../lib/dom.js";
import { time } from "../../lib/format.js";
import { Listing } from "../../lib/listing.js";
import { attempt } from "../../lib/notice.js";
import { button, section } from "../../lib/parts.js";
import { to } from "../../lib/router.js";
import { may } from "../../lib/who.js";
import { t } from "../../lib/words.js";

/** The address for stations, with the path prefix that we are under. */
export function stationUrl(identity = "") {
  const address = new URL(`ocpp/${identity}`, document.baseURI);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}

export const ATTEMPT_COLUMNS = [
  [t("When"), (one) => time(one.time)],
  [t("Address"), (one) => one.address],
  [t("Path"), (one) => h("code", one.path)],
  [t("Offered"), (one) => one.offered || "–"],
  [t("Why refused"), (one) => one.reason],
  [t("Remedy"), (one) => [one.remedy, register(one)]],
];

/** One click for a station that is only not registered yet. */
function register({ reason }) {
  const [, identity] = /^"(.*)" is not registered here$/.exec(reason) ?? [];
  if (!identity || !may("operator")) return null;
  const answer = h("div", { role: "status" });
  const put = async () => {
    await call("PUT", `stations/${segment(identity)}`, { body: {} });
    fill(answer, t("It is registered: it may come now."));
  };
  return [h("p", button(t("Register {name}", { name: identity }), () => attempt(answer, put))), answer];
}

export function firstStation(signal) {
  const answer = h("div");
  const refused = new Listing({
    path: "connectionAttempts", columns: ATTEMPT_COLUMNS, label: t("Refused of late"),
    empty: t("Nobody was refused so far."), every: 3000,
  }, {}, signal);
  return h("div.first",
    section(t("Connect your first station"),
      h("p", t("Give it this address as its central system (“CSMS”, “OCPP server”), with a name of your choice at the end:")),
      h("p", h("code.address", stationUrl("CP1"))),
      h("p", t("Some stations add their name by themselves. Then the address is:"), " ", h("code", stationUrl())),
      isLoopback() ? h("p.hint", t("You see this page by a name of this machine alone. For stations elsewhere let the server listen to them: [server] listen in the configuration.")) : null),
    may("operator") ? section(t("Or try an emulated one"),
      h("p", t("It behaves like a real one, and goes away again with the server.")),
      h("p", button(t("Start an emulated station"), () => attempt(answer, start), "primary")), answer) : null,
    section(t("Refused of late"), refused.element));
}

const isLoopback = () => /^(localhost|127\.|\[::1\])/.test(location.hostname);

async function start() {
  await call("POST", "emulators", { body: { name: "EMU1" } });
  location.hash = to("emulators", "EMU1");
}
