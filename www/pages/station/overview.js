/*
 * What a station is, and how its connectors are, as it is now.
 */

import { all, get } from "../../lib/api.js";
import { fill, h } from "../../lib/dom.js";
import { bootOf } from "../../lib/fleet.js";
import { ago, duration, energy, time } from "../../lib/format.js";
import { parseFrame } from "../../lib/frames.js";
import { follow } from "../../lib/live.js";
import { badge, facts, mood, section, transactionLink } from "../../lib/parts.js";
import { samplePlots, samplesOf } from "../../lib/samples.js";
import { toQuery } from "../../lib/router.js";
import { t } from "../../lib/words.js";

/** Samples that are drawn of what goes on now. */
const MOST = 3000;

export default function show(place) {
  const { signal } = place;
  const about = h("div");
  const connectors = h("div");
  const reports = h("div");
  const course = new Course(place.station, signal);
  const skew = h("span");
  const draw = (station) => {
    fill(about, facts(aboutOf(station, skew)));
    fill(connectors, connectorCards(station, course.active));
    fill(reports, reportsOf(station));
  };
  course.changed = () => draw(place.station);
  place.changed = draw;
  draw(place.station);
  clockSkew(place.station, skew);
  return h("div.grid",
    h("div.full", section(t("Connectors"), connectors)),
    h("div.full", course.element),
    h("div.full", section(t("Station"), about)),
    h("div.full", reports));
}

function aboutOf(station, skew) {
  const boot = bootOf(station);
  return [
    [t("Vendor"), boot.vendor],
    [t("Model"), boot.model],
    [t("Serial number"), boot.serial],
    [t("Firmware"), boot.firmware],
    [t("OCPP"), station.version],
    [t("Address"), station.address],
    [t("Account"), station.account],
    [t("Last seen"), station.lastSeen && h("span", time(station.lastSeen), h("small", ` ${ago(station.lastSeen)}`))],
    [t("Connected since"), station.connected && station.connectedAt ? time(station.connectedAt) : null],
    [t("Booted"), station.bootedAt && time(station.bootedAt)],
    [t("Clock"), skew],
    [t("Security profile"), station.securityProfile],
    [t("Meter"), [boot.meterType, boot.meterSerial].filter(Boolean).join(" ")],
    [t("ICCID"), boot.iccid],
    [t("IMSI"), boot.imsi],
    [t("Violations"), station.violations ? h("a", { href: toQuery(["stations", station.identity, "messages"], { errors: "true" }) }, badge(station.violations, "warn")) : "0"],
    [t("Unanswered calls"), station.unansweredCalls ? badge(station.unansweredCalls, "warn") : "0"],
    [t("Note"), station.note],
  ];
}

function connectorCards({ connectors, meters }, active) {
  if (!connectors.length) return h("p.hint", t("It has not told of its connectors yet."));
  return h("div.connectors", connectors.map((one) => connectorCard(one, meters, active)));
}

function connectorCard({ connectorId, status, errorCode, info, vendorErrorCode, timestamp }, meters, active) {
  const meter = meters.find((one) => one.connectorId === connectorId)?.meterValue;
  const running = active.find((one) => one.connectorId === connectorId);
  const isWrong = errorCode && errorCode !== "NoError";
  return h("div.connector",
    h("p.connector-head", h("b", connectorId === 0 ? t("Station itself") : t("Connector {n}", { n: connectorId })), badge(status, isWrong ? "bad" : mood(status))),
    isWrong ? h("p.trouble", [errorCode, vendorErrorCode, info].filter(Boolean).join(" · ")) : null,
    running ? h("p", t("Transaction"), " ", transactionLink(running.transactionId), " · ", running.idTag, " · ", duration((Date.now() - new Date(running.startTime)) / 1000)) : null,
    running ? h("p", gained(running, meter)) : null,
    meter ? h("p.hint", values(meter)) : null,
    timestamp ? h("p.hint", t("since"), " ", time(timestamp)) : null);
}

function gained({ meterStart }, meter) {
  const register = meter && samplesOf(meter).find(({ measurand, phase }) => measurand === "Energy.Active.Import.Register" && !phase);
  if (!register) return null;
  const wh = Number(register.value) * (register.unit === "kWh" ? 1000 : 1) - meterStart;
  return Number.isFinite(wh) ? h("b", energy(wh)) : null;
}

function values(meter) {
  return samplesOf(meter).slice(0, 6).map(({ measurand, value, unit, phase }) =>
    `${measurand.split(".").slice(0, 2).join(" ")}${phase ? ` ${phase}` : ""} ${value} ${unit}`).join(" · ");
}

function reportsOf({ reports }) {
  const names = Object.entries(reports ?? {});
  if (!names.length) return null;
  return section(t("Last reports"), facts(names.map(([action, { receivedAt, ...payload }]) =>
    [action, h("span", Object.values(payload).map(String).join(" · "), " ", h("small", time(receivedAt)))])));
}

/** What is being charged, as a plot that goes on. */
class Course {
  constructor({ identity }, signal) {
    Object.assign(this, { identity, signal, active: [], changed: () => {} });
    this.element = h("div");
    follow({ type: ["message", "transaction"], identity }, { seen: (event) => this.seen(event), tick: () => this.load(), every: 5000 }, signal);
  }

  seen({ type, action }) {
    if (type === "transaction" || action === "MeterValues") {
      this.timer ??= setTimeout(() => { this.timer = undefined; this.load(); }, 500);
    }
  }

  async load() {
    try {
      const { items } = await get("transactions", { identity: this.identity, active: "true", limit: 10 }, this.signal);
      this.active = items;
      const samples = await Promise.all(items.map(({ transactionId }) =>
        all(`transactions/${transactionId}/meterValues`, {}, MOST, this.signal)));
      this.changed();
      this.draw(samples.flat());
    } catch (error) {
      if (error.name !== "AbortError" && !error.isAbsent) console.warn(error.message);
    }
  }

  draw(samples) {
    const text = String(samples.length);
    if (text === this.shown) return;
    this.shown = text;
    if (!samples.length) fill(this.element);
    else fill(this.element, section(t("Charging now"), h("div.plots", samplePlots(samples, this.signal))));
  }
}

/** How far its clock is from ours, by the last message that says its time. */
async function clockSkew({ identity }, place) {
  const { items } = await get("messages", { identity, action: "StatusNotification", limit: 1 }).catch(() => ({ items: [] }));
  const said = parseFrame(items[0]?.call)?.[3]?.timestamp;
  if (!said) return;
  const seconds = (new Date(said) - new Date(items[0].time)) / 1000;
  if (!Number.isFinite(seconds)) return;
  const text = Math.abs(seconds) < 5 ? t("right") : seconds > 0 ? t("{time} ahead", { time: duration(seconds) }) : t("{time} behind", { time: duration(-seconds) });
  fill(place, badge(text, Math.abs(seconds) < 60 ? "good" : "warn"));
  place.title = t("by its last StatusNotification");
}
