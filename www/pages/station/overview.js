/*
 * What a station is, and how its connectors are, as it is now.
 */

import { get, segment } from "../../lib/api.js";
import { lastSkew, skewOf } from "../../lib/clock.js";
import { fill, h } from "../../lib/dom.js";
import { bootOf, isWrong } from "../../lib/fleet.js";
import { ago, duration, energy, quantity, time } from "../../lib/format.js";
import { Growing } from "../../lib/growing.js";
import { follow } from "../../lib/live.js";
import { trouble } from "../../lib/notice.js";
import { badge, facts, mood, section, transactionLink } from "../../lib/parts.js";
import { to } from "../../lib/router.js";
import { energySince, SamplePlots, samplesOf } from "../../lib/samples.js";
import { soon } from "../../lib/soon.js";
import { t } from "../../lib/words.js";

/** Samples that are drawn of one transaction, at most. */
const MOST = 20_000;

export default function show(place) {
  const { signal, station: { identity } } = place;
  const about = h("div");
  const connectors = h("div");
  const reports = h("div.full");
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
  follow({ type: ["message"], identity }, {
    tick: () => lastSkew(identity, signal).then((seconds) => showSkew(skew, seconds), () => {}),
    every: 30_000,
    seen: (message) => showSkew(skew, skewOf(message)),
  }, signal);
  return h("div.grid",
    h("div.full", section(t("Connectors"), connectors)),
    course.element,
    h("div.full", section(t("Station"), about)),
    reports);
}

/** Whether the clock of the station is right. */
function showSkew(place, seconds) {
  if (seconds === undefined) return;
  const text = Math.abs(seconds) < 5 ? t("right") : seconds > 0 ? t("{time} ahead", { time: duration(seconds) }) : t("{time} behind", { time: duration(-seconds) });
  fill(place, badge(text, Math.abs(seconds) < 60 ? "good" : "warn"));
  place.title = t("by its last StatusNotification");
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
    [t("Last seen"), station.lastSeen && [time(station.lastSeen), h("small", ` ${ago(station.lastSeen)}`)]],
    [t("Connected since"), station.connected && station.connectedAt ? time(station.connectedAt) : null],
    [t("Booted"), station.bootedAt && time(station.bootedAt)],
    [t("Clock"), skew],
    [t("Security profile"), station.securityProfile],
    [t("Meter"), [boot.meterType, boot.meterSerial].filter(Boolean).join(" ")],
    [t("ICCID"), boot.iccid],
    [t("IMSI"), boot.imsi],
    [t("Violations"), station.violations ? h("a", { href: to("stations", station.identity, "violations") }, badge(station.violations, "warn")) : "0"],
    [t("Unanswered calls"), station.unansweredCalls ? badge(station.unansweredCalls, "warn") : "0"],
    [t("Note"), station.note],
  ];
}

function connectorCards({ connectors, meters }, active) {
  if (!connectors.length) return h("p.hint", t("It has not told of its connectors yet."));
  return h("div.connectors", connectors.map((one) => connectorCard(one, meters, active)));
}

function connectorCard(connector, meters, active) {
  const { connectorId, status, errorCode, info, vendorErrorCode, timestamp } = connector;
  const meter = meters.find((one) => one.connectorId === connectorId)?.meterValue;
  const running = active.find((one) => one.connectorId === connectorId);
  return h("div.connector",
    h("p.connector-head", h("b", connectorId === 0 ? t("Station itself") : t("Connector {n}", { n: connectorId })), badge(status, isWrong(connector) ? "bad" : mood(status))),
    isWrong(connector) ? h("p.trouble", [errorCode, vendorErrorCode, info].filter(Boolean).join(" · ")) : null,
    running ? h("p", t("Transaction"), " ", transactionLink(running.transactionId), " · ", running.idTag, " · ", duration((Date.now() - new Date(running.startTime)) / 1000)) : null,
    running ? h("p", h("b", energy(energySince(running.meterStart, samplesOf(meter))))) : null,
    meter ? h("p.hint", values(meter)) : null,
    timestamp ? h("p.hint", t("since"), " ", time(timestamp)) : null);
}

function values(meter) {
  return samplesOf(meter).slice(0, 6).map(({ measurand, value, unit, phase }) =>
    [measurand.split(".").slice(0, 2).join(" "), phase, inUnit(value, unit)].filter(Boolean).join(" ")).join(" · ");
}

const inUnit = (value, unit) => (String(value).trim() && Number.isFinite(Number(value)) ? quantity(Number(value), unit) : `${value} ${unit}`);

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
    this.samples = new Map();
    this.plots = new SamplePlots(signal);
    this.shown = section(t("Charging now"), this.plots.element);
    this.element = h("div.full");
    this.soon = soon(() => this.load(), 300, signal);
    this.soon();
    follow({ type: ["message", "transaction"], identity }, { seen: (event) => this.seen(event), tick: this.soon, every: 5000 }, signal);
  }

  seen({ type, action }) {
    if (type === "transaction" || action === "MeterValues") this.soon();
  }

  async load() {
    try {
      const { items } = await get("transactions", { identity: this.identity, active: "true", limit: 10 }, this.signal);
      const samples = await Promise.all(items.map(({ transactionId }) => this.samplesOf(transactionId)));
      this.active = items;
      this.changed();
      this.plots.show(samples.flat());
      // Where it is already it stays, and with it the keyboard.
      if (!samples.flat().length) fill(this.element);
      else if (!this.shown.isConnected) fill(this.element, this.shown);
    } catch (error) {
      if (error.name !== "AbortError" && !error.isAbsent) fill(this.element, trouble(error));
    }
  }

  samplesOf(id) {
    if (!this.samples.has(id)) this.samples.set(id, new Growing(`transactions/${segment(id)}/meterValues`, MOST));
    return this.samples.get(id).all(this.signal);
  }
}
