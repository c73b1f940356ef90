/*
 * All the stations, kept up to date; see Stations.changed.
 */

import { all, get, segment } from "./api.js";
import { follow } from "./live.js";
import { soon } from "./soon.js";

/** How often stations are asked for when no events come, in ms. */
const EVERY = 5000;

/** How often those that are looked at are asked for, in ms: when they were seen last is no event. */
const REFRESH = 30_000;

/** Beyond so many at once, all are asked for. */
const FEW = 20;

/** How long changes are gathered, in ms. */
const TOGETHER = 400;

/** The events that change what is known of a station, and what they change. */
const NEWS = {
  connected: ({ time, version, address }) => ({ connected: true, connectedAt: time, lastSeen: time, version, address }),
  disconnected: ({ time, reason }) => ({ connected: false, disconnectedAt: time, disconnectReason: reason }),
  status: ({ time, connectors }) => ({ connectors, lastSeen: time }),
};

export class Stations {
  /** changed(list) hears of every change; failed(error) of trouble; looked() tells who is looked at. */
  constructor(changed, failed, looked, signal) {
    Object.assign(this, { changed, failed, looked, signal });
    this.known = new Map();
    this.stale = new Set();
    this.touched = new Set();
    this.resting = 0;
    this.soon = soon(() => this.refresh(), TOGETHER, signal);
    follow({ type: Object.keys(NEWS) }, { seen: (event) => this.seen(event), tick: () => this.load(), every: EVERY }, signal);
    const refreshing = setInterval(() => document.hidden || this.refreshSeen(), REFRESH);
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
    this.touched.clear();
    try {
      this.keep(await all("stations", {}, 100_000, this.signal));
      this.lookAgain();
    } catch (error) {
      if (error.name !== "AbortError") this.failed(error);
    }
    // Many stations take long: nobody should be busy with that alone.
    this.resting = performance.now() + 5 * (performance.now() - began);
  }

  /** What happened meanwhile may be younger than what was read. */
  lookAgain() {
    for (const identity of this.touched) this.stale.add(identity);
    if (this.stale.size) this.soon();
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

  seen(event) {
    const { identity } = event;
    const old = this.known.get(identity);
    // One that has not said yet what it is will have said it by then.
    if (old?.bootNotification) this.known.set(identity, { ...old, ...NEWS[event.type](event) });
    else this.stale.add(identity);
    this.touched.add(identity);
    this.soon();
  }

  async refresh() {
    const stale = [...this.stale];
    this.stale.clear();
    if (stale.length > FEW) this.load();
    else await Promise.all(stale.map((identity) => this.ask(identity)));
    this.changed([...this.known.values()]);
  }

  /** One after the other: nobody waits for it. */
  async refreshSeen() {
    for (const identity of [...this.looked()]) {
      if (!this.signal.aborted) await this.ask(identity);
    }
    if (!this.signal.aborted) this.changed([...this.known.values()]);
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

const AVAILABLE = new Set(["Available"]);
const IN_USE = new Set(["Charging", "SuspendedEV", "SuspendedEVSE", "Occupied"]);

export const isWrong = ({ status, errorCode }) => status === "Faulted" || (Boolean(errorCode) && errorCode !== "NoError");
const hasStatus = (station, statuses) => station.connectors.some(({ status }) => statuses.has(status));

/** The tiles: what each counts. */
export const STATES = {
  connected: (station) => station.connected,
  available: (station) => station.connected && hasStatus(station, AVAILABLE),
  charging: (station) => station.connected && hasStatus(station, IN_USE),
  faulted: (station) => station.connectors.some(isWrong),
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

const texts = new WeakMap();

/** What a station can be found by, in small letters. */
export function textOf(station) {
  if (!texts.has(station)) texts.set(station, written(station));
  return texts.get(station);
}

function written(station) {
  const { vendor, model, serial } = bootOf(station);
  return [station.identity, vendor, model, serial, station.note, station.address].filter(Boolean).join("\n").toLowerCase();
}
