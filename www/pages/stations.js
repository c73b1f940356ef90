/*
 * All the stations: tiles, filters, a table or cards, as they are now.
 */

import { chosen } from "../lib/chosen.js";
import { fill, h } from "../lib/dom.js";
import { bootOf, modelOf, STATES, Stations } from "../lib/fleet.js";
import { filters } from "../lib/filters.js";
import { trouble } from "../lib/notice.js";
import { button, choice, heading, labelled, loading } from "../lib/parts.js";
import { remember, to } from "../lib/router.js";
import { VirtualList } from "../lib/virtual.js";
import { may } from "../lib/who.js";
import { t } from "../lib/words.js";
import { firstStation } from "./station/first.js";
import { card, HEADS, line } from "./station/line.js";

const TILES = [
  ["", t("Known")],
  ["connected", t("Connected")],
  ["available", t("Available")],
  ["charging", t("Charging")],
  ["faulted", t("Faulted")],
  ["silent", t("Silent")],
];

/** What can be sorted by. */
const ORDERS = {
  identity: (station) => station.identity,
  state: (station) => (station.connected ? 0 : 1),
  connectors: (station) => station.connectors.map(({ status }) => status).join(),
  model: modelOf,
  version: (station) => station.version ?? "",
  lastSeen: (station) => station.lastSeen ?? "",
};

const collator = new Intl.Collator(undefined, { numeric: true });

export default function show({ query, signal }) {
  return new Page(query, signal).element;
}

class Page {
  constructor(query, signal) {
    this.query = { view: localStorage.getItem("view") ?? "table", order: "identity", ...query };
    this.signal = signal;
    this.all = [];
    this.tiles = h("div.tiles", { role: "group", "aria-label": t("Show only") });
    this.problem = h("div");
    this.count = h("p.count", { role: "status" });
    this.bar = filters([
      { name: "q", label: t("Search"), placeholder: t("name, vendor, model, note") },
      { name: "version", label: t("OCPP"), kind: "choice", options: ["1.2", "1.5", "1.6", "2.0.1", "2.1"] },
    ], this.query, (values) => this.set(values));
    this.body = h("div", loading());
    this.element = h("div.stations", heading(t("Stations"), this.views()),
      this.tiles, h("div.tools", this.bar.form, this.count), this.problem, this.body);
    this.layOut();
    this.stations = new Stations((all) => this.changed(all), (error) => fill(this.problem, trouble(error)), signal);
  }

  views() {
    const views = choice([["table", t("Table")], ["cards", t("Cards")]], this.query.view,
      { onchange: () => this.chooseView(views.value) });
    const many = may("operator") ? button(t("Command these"), () => this.command(), "quiet") : null;
    return h("div.views.row", many, labelled(t("View"), views));
  }

  /** What is shown here is chosen for one command to all. */
  command() {
    const shown = this.chosen();
    Object.assign(chosen, { identities: shown.map(keyOf), version: shown[0]?.version ?? "1.6" });
    location.hash = to("many");
  }

  chooseView(view) {
    localStorage.setItem("view", view);
    this.set({ view });
    this.layOut();
    this.draw();
  }

  set(values) {
    this.query = { ...this.query, ...values };
    remember({ ...this.query, view: "", order: this.query.order === "identity" ? "" : this.query.order });
    this.draw();
  }

  layOut() {
    this.list = this.query.view === "cards"
      ? new VirtualList({ draw: card, key: keyOf, rowHeight: 158, columns: (width) => Math.floor(width / 280) }, this.signal)
      : new VirtualList({ draw: line, key: keyOf, rowHeight: isNarrow() ? 92 : 44, role: "rowgroup" }, this.signal);
    this.isEmpty = undefined;
  }

  changed(all) {
    this.all = all;
    fill(this.problem);
    this.draw();
  }

  draw() {
    this.drawTiles();
    const chosen = this.chosen();
    this.count.textContent = t("{n} of {all} stations", { n: chosen.length, all: this.all.length });
    if (this.isEmpty !== !this.all.length) this.drawBody();
    this.list.show(chosen);
    this.body.querySelector("[role=table]")?.setAttribute("aria-rowcount", chosen.length + 1);
  }

  drawBody() {
    this.isEmpty = !this.all.length;
    this.tiles.hidden = this.bar.form.hidden = this.count.hidden = this.isEmpty;
    if (this.isEmpty) fill(this.body, firstStation(this.signal));
    else if (this.query.view === "cards") fill(this.body, this.list.element);
    else fill(this.body, h("div.lines", { role: "table", "aria-label": t("Stations") }, this.heads(), this.list.element));
  }

  heads() {
    return h("div.line.heads", { role: "row", "aria-rowindex": 1 }, HEADS.map(([name, title]) => {
      const isOrder = this.query.order.replace("-", "") === name;
      const isDown = this.query.order.startsWith("-");
      const sorted = isOrder ? (isDown ? "descending" : "ascending") : "none";
      return h("span", { role: "columnheader", "aria-sort": sorted },
        ORDERS[name] ? h("button", { type: "button", onclick: () => this.order(name) }, title) : title);
    }));
  }

  order(name) {
    this.set({ order: this.query.order === name ? `-${name}` : name });
    const heads = this.heads();
    this.body.querySelector(".heads").replaceWith(heads);
    [...heads.querySelectorAll("button")][HEADS.findIndex(([one]) => one === name)]?.focus();
  }

  drawTiles() {
    const state = this.query.state ?? "";
    const counts = TILES.map(([name]) => (name ? this.all.filter(STATES[name]).length : this.all.length));
    const text = JSON.stringify([counts, state]);
    if (text === this.tilesShown) return;
    this.tilesShown = text;
    const focused = [...this.tiles.children].indexOf(document.activeElement);
    fill(this.tiles, TILES.map(([name, title], at) => h("button.tile", {
      type: "button", class: name, "aria-pressed": String(name === state),
      onclick: () => this.set({ state: name === state ? "" : name }),
    }, h("b", String(counts[at])), h("span", title))));
    this.tiles.children[focused]?.focus();
  }

  chosen() {
    const { state, q = "", version, order } = this.query;
    const sought = q.toLowerCase();
    const chosen = this.all.filter((station) =>
      (!state || STATES[state]?.(station))
      && (!version || station.version === version)
      && (!sought || textOf(station).includes(sought)));
    const by = ORDERS[order.replace("-", "")] ?? ORDERS.identity;
    const sign = order.startsWith("-") ? -1 : 1;
    return sortBy(chosen, by, sign);
  }
}

/** Sorting by a key that is made once for each. */
function sortBy(items, by, sign) {
  return items.map((item) => [by(item), item])
    .sort(([a, first], [b, second]) => sign * compare(a, b) || collator.compare(first.identity, second.identity))
    .map(([, item]) => item);
}

const compare = (a, b) => (typeof a === "number" ? a - b : collator.compare(a, b));
const keyOf = (station) => station.identity;
const isNarrow = () => window.matchMedia("(max-width: 45rem)").matches;

function textOf(station) {
  const { vendor, model, serial } = bootOf(station);
  return [station.identity, vendor, model, serial, station.note, station.address].filter(Boolean).join("\n").toLowerCase();
}
