/*
 * All the stations: tiles, filters, a table or cards, as they are now.
 */

import { chosen } from "../lib/chosen.js";
import { fill, h } from "../lib/dom.js";
import { STATES, Stations, textOf } from "../lib/fleet.js";
import { filters } from "../lib/filters.js";
import { trouble } from "../lib/notice.js";
import { button, choice, heading, labelled, loading } from "../lib/parts.js";
import { remember, to } from "../lib/router.js";
import { Sorted } from "../lib/sorted.js";
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

export default function show({ query, signal }) {
  return new Page(query, signal).element;
}

class Page {
  constructor(query, signal) {
    this.query = { view: localStorage.getItem("view") ?? "table", order: "identity", ...query };
    this.signal = signal;
    this.all = [];
    this.sorted = new Sorted();
    this.tiles = h("div.tiles", { role: "group", "aria-label": t("Show only") });
    this.problem = h("div");
    this.count = h("p.count", { role: "status" });
    this.bar = filters([
      { name: "q", label: t("Search"), placeholder: t("name, vendor, model, note") },
      { name: "version", label: t("OCPP"), kind: "choice", options: ["1.2", "1.5", "1.6", "2.0.1", "2.1"] },
    ], this.query, (values) => this.set(values));
    this.body = h("div", loading());
    this.views = this.makeViews();
    this.element = h("div.stations", heading(t("Stations"), this.views),
      this.tiles, h("div.tools", this.bar.form, this.count), this.problem, this.body);
    this.layOut();
    signal.addEventListener("abort", () => this.laidOut.abort());
    narrow.addEventListener("change", () => this.layOut(), { signal });
    this.stations = new Stations((all) => this.changed(all), (error) => fill(this.problem, trouble(error)), () => this.list.drawn.keys(), signal);
  }

  makeViews() {
    const views = choice([["table", t("Table")], ["cards", t("Cards")]], this.query.view,
      { onchange: () => this.chooseView(views.value) });
    const many = may("operator") ? button(t("Command these"), () => this.command(), "quiet") : null;
    return h("div.views.row", many, this.orders(), labelled(t("View"), views));
  }

  /** What to sort by, where there are no heads to press. */
  orders() {
    const { order } = this.query;
    const by = choice(HEADS.flatMap(([name, title]) => [[name, `${title} ↑`], [`-${name}`, `${title} ↓`]]), order,
      { onchange: () => this.set({ order: by.value }) });
    this.orderBy = by;
    return h("div.order", labelled(t("Sort by"), by));
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
  }

  set(values) {
    this.query = { ...this.query, ...values };
    remember({ ...this.query, view: "", order: this.query.order === "identity" ? "" : this.query.order });
    this.draw();
  }

  layOut() {
    this.laidOut?.abort();
    this.laidOut = new AbortController();
    const { signal } = this.laidOut;
    const isTable = this.query.view !== "cards";
    this.list = isTable
      ? new VirtualList({ draw: line, key: keyOf, rowHeight: narrow.matches ? 92 : 44, role: "rowgroup" }, signal)
      : new VirtualList({ draw: card, key: keyOf, rowHeight: 158, columns: (width) => Math.floor(width / 280) }, signal);
    this.element.classList.toggle("as-table", isTable);
    this.isEmpty = undefined;
    this.draw();
  }

  changed(all) {
    this.isLoaded = true;
    this.all = all;
    fill(this.problem);
    this.draw();
  }

  draw() {
    if (!this.isLoaded) return;
    this.drawTiles();
    const chosen = this.chosen();
    this.count.textContent = t("{n} of {all} stations", { n: chosen.length, all: this.all.length });
    if (this.isEmpty !== !this.all.length) this.drawBody();
    this.list.show(chosen);
    this.body.querySelector("[role=table]")?.setAttribute("aria-rowcount", chosen.length + 1);
  }

  drawBody() {
    this.isEmpty = !this.all.length;
    for (const part of [this.tiles, this.bar.form, this.count, this.views]) part.hidden = this.isEmpty;
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
        h("button", { type: "button", onclick: () => this.order(name) }, title));
    }));
  }

  order(name) {
    this.set({ order: this.query.order === name ? `-${name}` : name });
    this.orderBy.value = this.query.order;
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
    return this.sorted.by(order, chosen, this.all);
  }
}

const keyOf = (station) => station.identity;
const narrow = window.matchMedia("(max-width: 45rem)");
