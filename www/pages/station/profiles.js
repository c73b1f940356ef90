/*
 * How a charging profile is shown in a list: with its schedule drawn.
 */

import { call, segment } from "../../lib/api.js";
import { h } from "../../lib/dom.js";
import { time } from "../../lib/format.js";
import { pretty } from "../../lib/frames.js";
import { attempt, say } from "../../lib/notice.js";
import { button, facts, stationLink, sure } from "../../lib/parts.js";
import { schedulePlot } from "../../lib/schedule.js";
import { may } from "../../lib/who.js";
import { t } from "../../lib/words.js";

export const PROFILE_COLUMNS = (signal) => [
  [t("No."), (one) => profileOf(one).chargingProfileId ?? profileOf(one).id, "number"],
  [t("Station"), (one) => one.identity && stationLink(one.identity)],
  [t("Connector"), (one) => one.connectorId || t("all"), "number"],
  [t("Profile"), (one) => about(profileOf(one))],
  [t("Schedule"), (one) => drawn(profileOf(one), signal)],
  [t("Installed"), (one) => one.installed && time(one.installed)],
  [t("Do"), clear],
];

const profileOf = (one) => one.csChargingProfiles ?? one.chargingProfile ?? {};

function about({ chargingProfilePurpose, chargingProfileKind, recurrencyKind, stackLevel, validFrom, validTo, transactionId }) {
  return facts([
    [t("Purpose"), chargingProfilePurpose],
    [t("Kind"), [chargingProfileKind, recurrencyKind].filter(Boolean).join(" ")],
    [t("Level"), stackLevel],
    [t("Transaction"), transactionId],
    [t("Valid from"), validFrom && time(validFrom)],
    [t("Valid to"), validTo && time(validTo)],
  ]);
}

function drawn(profile, signal) {
  const schedules = [profile.chargingSchedule].flat().filter(Boolean);
  return h("div.schedule", schedules.map((schedule) => schedulePlot(schedule, profile.chargingProfileKind, signal)),
    h("details", h("summary", "JSON"), h("pre", h("code", pretty(profile)))));
}

function clear(one) {
  const id = profileOf(one).chargingProfileId;
  if (!one.identity || id === undefined || !may("operator")) return "";
  const answer = h("span");
  const ask = async () => {
    const said = await call("POST", `stations/${segment(one.identity)}/calls`, { body: { action: "ClearChargingProfile", payload: { id } } });
    say(t("The station says: {status}", { status: said.status }));
  };
  return [button(t("Clear it"), () => sure(t("Remove this profile from the station?")) && attempt(answer, ask), "danger"), answer];
}
