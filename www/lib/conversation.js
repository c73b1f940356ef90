/*
 * Messages as a conversation, newest first: live, until paused.
 */

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { filters } from "./filters.js";
import { milliseconds, time } from "./format.js";
import { frameText, gist } from "./frames.js";
import { follow } from "./live.js";
import { say, trouble } from "./notice.js";
import { badge, button, stationLink } from "./parts.js";
import { to } from "./router.js";
import { mentions, saveCsv, saveLines } from "./save.js";
import { soon } from "./soon.js";
import { t } from "./words.js";

const AT_ONCE = 100;

/** Messages that stay on the page while new ones come. */
const MOST = 1000;

/** How many times as many to look through for what is sought, at a time. */
const PAGES = 10;

/** How often to look for new ones while no events come, in ms. */
const EVERY = 2000;

export class Conversation {
  /** identity: of one station, or undefined. */
  constructor({ identity }, query, signal) {
    Object.assign(this, { identity, signal });
    this.bar = filters(specs(identity), query, () => this.load());
    this.newest = 0;
    this.log = h("ol.log", { class: identity ? "of-one" : "", "aria-label": t("Messages") });
    this.problem = h("div");
    this.older = button(t("Older"), () => this.more(), "more");
    this.pause = h("button", { type: "button", "aria-pressed": "false", onclick: () => this.togglePause() }, t("Pause"));
    this.element = h("div.conversation",
      h("div.tools", this.bar.form, h("div.buttons", this.pause,
        button(t("CSV"), () => this.save(saveCsv, "csv", this.bar.values().q), "quiet"),
        button(t("JSON lines"), () => this.save(saveLines, "jsonl", this.sought()), "quiet"))),
      this.problem, this.log, this.older);
    this.older.hidden = true;
    this.first = this.load();
    this.lookSoon = soon(() => this.look(), 300, signal);
    follow({ type: ["message"], identity }, { seen: this.lookSoon, tick: this.lookSoon, every: EVERY }, signal);
  }

  query() {
    const { q, ...query } = this.bar.values();
    return { ...query, identity: this.identity ?? query.identity };
  }

  async save(how, suffix, sought) {
    try {
      await how(`messages.${suffix}`, "messages", this.query(), sought);
      say(t("Saved"));
    } catch (error) {
      fill(this.problem, trouble(error));
    }
  }

  togglePause() {
    this.isPaused = !this.isPaused;
    this.pause.setAttribute("aria-pressed", String(this.isPaused));
    this.pause.textContent = this.isPaused ? t("Go on") : t("Pause");
    if (!this.isPaused) this.lookSoon();
  }

  async load() {
    this.newest = 0;
    fill(this.log);
    this.cursor = undefined;
    await this.more();
  }

  /** What has come since. */
  async look() {
    await this.first;
    if (this.isPaused) return;
    await this.ask({}, (items, next) => {
      const fresh = items.filter(({ id }) => id > this.newest);
      const isNewCount = items[0]?.id < this.newest;
      if (isNewCount || (fresh.length === items.length && items.length === AT_ONCE)) {
        // More have come than are asked for, or they are numbered anew.
        fill(this.log);
        this.newest = 0;
        this.cursor = next;
        fresh.splice(0, Infinity, ...items);
      }
      this.log.prepend(...this.entries(fresh));
      while (this.log.children.length > MOST) this.dropOldest();
    });
  }

  dropOldest() {
    this.log.lastElementChild.remove();
    this.cursor = this.log.lastElementChild.dataset.id;
  }

  /** Older ones; where none of them is what is sought, those before them. */
  async more() {
    const before = this.log.children.length;
    for (let pages = 0; pages < PAGES; pages++) {
      const isDone = await this.ask({ cursor: this.cursor }, (items, next) => {
        this.log.append(...this.entries(items));
        this.cursor = next;
      });
      if (isDone || !this.cursor || this.log.children.length > before) break;
    }
  }

  /** Whether there is no reason to ask for more. */
  async ask(query, show) {
    const asked = JSON.stringify(this.bar.values());
    try {
      const { items, next } = await get("messages", { ...this.query(), limit: AT_ONCE, ...query }, this.signal);
      if (asked !== JSON.stringify(this.bar.values())) return true;
      show(items, next);
      this.older.hidden = !this.cursor;
      fill(this.problem, this.log.children.length ? null : h("p.hint.empty", t("No such messages.")));
      return false;
    } catch (error) {
      if (error.name !== "AbortError") fill(this.problem, trouble(error));
      return true;
    }
  }

  /** Those that are sought, as elements. */
  entries(items) {
    this.newest = Math.max(this.newest, ...items.map(({ id }) => id));
    return items.filter(this.sought()).map((item) => entry(item));
  }

  /** What tells whether a message is what is sought. */
  sought() {
    const { q } = this.bar.values();
    return ({ identity, action, call, reply }) => [identity, action, call, reply].some((one) => mentions(one ?? "", q));
  }
}

function specs(identity) {
  return [
    ...(identity ? [] : [{ name: "identity", label: t("Station") }]),
    { name: "action", label: t("Action") },
    { name: "errors", label: t("Only with errors"), kind: "flag" },
    { name: "from", label: t("From"), kind: "time" },
    { name: "to", label: t("To"), kind: "time" },
    { name: "q", label: t("Search") },
  ];
}

/** One message: a line, and what was said below it. */
export function entry(item, { open = false } = {}) {
  const isProblem = item.error || item.violations.length > 0;
  const details = h("details", { open },
    h("summary",
      time(item.time),
      arrow(item.direction),
      h("span.who", item.identity),
      h("span.action", h("b", item.action ?? t("no message of OCPP"))),
      h("span.gist", marks(item), gist(item.call)),
      h("span.took", item.reply === null ? t("no answer") : milliseconds(item.milliseconds))));
  const unfold = () => details.open && details.children.length === 1 && details.append(frames(item));
  details.addEventListener("toggle", unfold);
  unfold();
  return h("li", { "data-id": item.id, class: isProblem ? "problem" : "" }, details);
}

function arrow(direction) {
  const text = direction === "in" ? t("from the station") : t("to the station");
  return h("span", { class: `arrow-${direction}`, role: "img", "aria-label": text, title: text }, direction === "in" ? "←" : "→");
}

function marks({ error, violations }) {
  return [
    error ? [badge(error, "bad"), " "] : null,
    violations.length ? [badge(violations.length === 1 ? t("1 violation") : t("{n} violations", { n: violations.length }), "warn"), " "] : null,
  ];
}

function frames(item) {
  return h("div.frames",
    item.violations.length ? violationList(item.violations) : null,
    h("div", h("h3", item.direction === "in" ? t("The station asked") : t("We asked")), frameText(item.call, item.violations)),
    h("div", h("h3", t("The answer")), frameText(item.reply)),
    h("p.hint", time(item.time, { full: true }), " · ", stationLink(item.identity), " · ",
      h("a", { href: to("messages", String(item.id)) }, t("Link to this message"))));
}

export function violationList(violations) {
  return h("ul.violations", violations.map(({ path, rule, message, advice, reference }) => h("li",
    path ? [h("code", path), " "] : null, message, rule ? [" ", badge(rule, "warn")] : null,
    advice || reference ? h("p.hint", [advice, reference].filter(Boolean).join(" ")) : null)));
}
