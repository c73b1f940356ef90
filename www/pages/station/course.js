/*
 * What is being charged at a station now, as plots that go on.
 */

import { get, segment } from "../../lib/api.js";
import { fill, h } from "../../lib/dom.js";
import { Growing } from "../../lib/growing.js";
import { follow } from "../../lib/live.js";
import { trouble } from "../../lib/notice.js";
import { section } from "../../lib/parts.js";
import { SamplePlots } from "../../lib/samples.js";
import { soon } from "../../lib/soon.js";
import { t } from "../../lib/words.js";

/** Samples that are drawn of one transaction, at most. */
const MOST = 20_000;

export class Course {
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
