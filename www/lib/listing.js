/*
 * A list of the API as a page: filters, a table, more of it, CSV.
 */

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { filters } from "./filters.js";
import { follow } from "./live.js";
import { trouble, say } from "./notice.js";
import { button } from "./parts.js";
import { saveCsv } from "./save.js";
import { soon } from "./soon.js";
import { table } from "./table.js";
import { t } from "./words.js";

const ITEMS = 100;

/**
 * path, columns, label; fixed: a query that stays; specs: filters; csv: the
 * name of the file; empty: what to say of an empty list; every: how often to
 * look again, in ms; live: the events that tell of changes.
 */
export class Listing {
  constructor({ path, columns, label, fixed = {}, specs = [], csv, empty, every = 10_000, live = {} }, query, signal) {
    Object.assign(this, { path, columns, label, fixed, csv, empty, signal });
    this.items = [];
    this.cursor = null;
    this.bar = filters(specs, query, () => this.load());
    this.body = h("div", { "aria-live": "off" });
    this.problem = h("div");
    this.element = h("div.listing", this.tools(specs), this.problem, this.body);
    follow({ ...live }, { seen: soon(() => this.refresh(), 500, signal), tick: () => this.refresh(), every }, signal);
  }

  tools(specs) {
    const save = this.csv && button(t("CSV"), () => this.save(), "quiet csv");
    if (!specs.length && !save) return null;
    return h("div.tools", specs.length ? this.bar.form : h("span"), save);
  }

  query() {
    return { ...this.fixed, ...this.bar.values() };
  }

  async save() {
    try {
      await saveCsv(`${this.csv}.csv`, this.path, this.query());
      say(t("Saved"));
    } catch (error) {
      fill(this.problem, trouble(error));
    }
  }

  /** Look again, unless more than one page is shown, or somebody reads what is unfolded. */
  async refresh() {
    if (this.items.length <= ITEMS && !this.body.querySelector("details[open]")) await this.load();
  }

  async load() {
    const asked = (this.asked = Symbol("load"));
    try {
      const page = await get(this.path, { ...this.query(), limit: ITEMS }, this.signal);
      if (asked !== this.asked) return;
      this.items = page.items;
      this.cursor = page.next;
      this.show();
      fill(this.problem);
    } catch (error) {
      if (error.name !== "AbortError" && asked === this.asked) this.fail(error);
    }
  }

  fail(error) {
    if (error.isAbsent) {
      fill(this.body, h("p.hint.empty", error.status === 501 ? error.message : t("This server does not offer it.")));
      this.shown = undefined;
      fill(this.problem);
    } else fill(this.problem, trouble(error));
  }

  async more() {
    const page = await get(this.path, { ...this.query(), limit: ITEMS, cursor: this.cursor });
    this.items.push(...page.items);
    this.cursor = page.next;
    this.show();
  }

  show() {
    const text = JSON.stringify(this.items);
    if (text === this.shown) return;
    this.shown = text;
    if (!this.items.length) {
      fill(this.body, h("p.hint.empty", this.empty ?? t("Nothing here.")));
      return;
    }
    fill(this.body,
      table(this.columns, this.items, this.label),
      this.cursor ? button(t("More"), () => this.more().catch((error) => this.fail(error)), "more") : null);
  }
}
