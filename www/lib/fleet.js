/*
 * All the stations, kept up to date; see Stations.changed.
 */

import { all, get, segment } from "./api.js";
import { follow } from "./live.js";

/** How often stations are asked for when no events come, in ms. */
const EVERY = 5000;

/** How often all the same, for what is no event: when they were seen last. */
const REFRESH = 30_000;

/** Beyond so many at once, all are asked for. */
const FEW = 20;

/** How long changes are gathered, in ms. */
const TOGETHER = 400;

/** The events that change what is known of a station. */
const TYPES = ["connected", "disconnected", "status"];

export class Stations {
  /** changed(list) hears of every change; failed(error) of trouble. */
  constructor(changed, failed, signal) {
    Object.assign(this, { changed, failed, signal });
    this.known = new Map();
    this.stale = new Set();
    this.resting = 0;
    follow({ type: TYPES }, { seen: (event) => this.seen(event), tick: () => this.load(), every: EVERY }, signal);
    const refreshing = setInterval(() => document.hidden || this.load(), REFRESH);
    signal.addEventListener("abort", () => clearInterval(refreshing));
  }

  async load() {
    if (this.waiting || this.signal.aborted) return;
    const wait = this.resting - performance.now();
    if (wait > 0) {
      // One look at a time, and one more after it.
      this.waiting = setTimeout(() => {
        this.waiting = undefined;
        this.load();
      }, Math.min(wait, 1000));
      return;
    }
    const began = performance.now();
    this.resting = Infinity;
    try {
      this.keep(await all("stations", {}, 100_000, this.signal));
    } catch (error) {
      if (error.name !== "AbortError") this.failed(error);
    }
    // Many stations take long: nobody should be busy with that alone.
    this.resting = performance.now() + 5 * (performance.now() - began);
  }

  /** What has not changed stays the same object. */
  keep(items) {
    this.known = new Map(items.map((item) => [item.identity, this.same(item)]));
    this.changed([...this.known.values()]);
  }

  same(item) {
    const old = this.known.get(item.identity);
    return old && JSON.stringify(old) === JSON.stringify(item) ? old : item;
  }

  seen({ type, identity, connectors, time }) {
    const old = this.known.get(identity);
    if (type === "status" && connectors && old?.bootNotification) {
      this.known.set(identity, { ...old, connectors, lastSeen: time });
    } else {
      this.stale.add(identity);
    }
    this.timer ??= setTimeout(() => this.refresh(), TOGETHER);
  }

  async refresh() {
    const stale = [...this.stale];
    this.stale.clear();
    this.timer = undefined;
    if (this.signal.aborted) return;
    if (stale.length > FEW) this.load();
    else await Promise.all(stale.map((identity) => this.ask(identity)));
    this.changed([...this.known.values()]);
  }

  async ask(identity) {
    try {
      this.known.set(identity, this.same(await get(`stations/${segment(identity)}`, {}, this.signal)));
    } catch (error) {
      if (error.isAbsent) this.known.delete(identity);
    }
  }
}

// What is known of one station, in other words

const IN_USE = new Set(["Charging", "SuspendedEV", "SuspendedEVSE", "Occupied"]);

export const isFaulted = (station) => station.connectors.some(
  ({ status, errorCode }) => status === "Faulted" || (errorCode && errorCode !== "NoError"));
const hasStatus = (station, statuses) => station.connectors.some(({ status }) => statuses.has(status));

/** The tiles: what each counts. */
export const STATES = {
  connected: (station) => station.connected,
  available: (station) => station.connected && hasStatus(station, new Set(["Available"])),
  charging: (station) => station.connected && hasStatus(station, IN_USE),
  faulted: isFaulted,
  silent: (station) => !station.connected,
};

/** What a station said of itself when it booted, in one set of names. */
export function bootOf({ bootNotification: boot }) {
  if (!boot) return {};
  const said = boot.chargingStation ?? boot;
  return {
    vendor: said.vendorName ?? said.chargePointVendor,
    model: said.model ?? said.chargePointModel,
    serial: said.serialNumber ?? said.chargePointSerialNumber ?? said.chargeBoxSerialNumber,
    firmware: said.firmwareVersion,
    iccid: said.modem?.iccid ?? said.iccid,
    imsi: said.modem?.imsi ?? said.imsi,
    meterType: said.meterType,
    meterSerial: said.meterSerialNumber,
  };
}

export function modelOf(station) {
  const { vendor, model } = bootOf(station);
  return [vendor, model].filter(Boolean).join(" ");
}
