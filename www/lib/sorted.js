/*
 * Stations in order: by what was asked for, then by name. Names as people sort
 * them take long to compare, so the place of each is found once.
 */

import { modelOf } from "./fleet.js";

const collator = new Intl.Collator(undefined, { numeric: true });

/** What can be sorted by; names need no more than their place. */
const ORDERS = {
  identity: () => 0,
  state: (station) => (station.connected ? 0 : 1),
  connectors: (station) => station.connectors.map(({ status }) => status).join(),
  model: modelOf,
  version: (station) => station.version ?? "",
  lastSeen: (station) => Date.parse(station.lastSeen) || 0,
};

export class Sorted {
  constructor() {
    this.places = new Map();
  }

  /** These of all, by "model", say, or by "-model". */
  by(order, stations, all) {
    this.place(all);
    const keyOf = ORDERS[order.replace("-", "")] ?? ORDERS.identity;
    const sign = order.startsWith("-") ? -1 : 1;
    return stations.map((station) => [keyOf(station), this.places.get(station.identity), station])
      .sort(([a, first], [b, second]) => sign * (compare(a, b) || first - second))
      .map(([, , station]) => station);
  }

  place(all) {
    if (all.length === this.places.size && all.every(({ identity }) => this.places.has(identity))) return;
    const names = all.map(({ identity }) => identity).sort(collator.compare);
    this.places = new Map(names.map((identity, at) => [identity, at]));
  }
}

function compare(a, b) {
  if (a === b) return 0;
  return typeof a === "number" ? a - b : collator.compare(a, b);
}
