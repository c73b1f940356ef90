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
import { saveCsv, saveLines } from "./save.js";
import { t } from "./words.js";

const AT_ONCE = 100;

/** Messages that stay on the page while new ones come. */
const MOST = 1000;

/** How often to look for new ones while no events come, in ms. */
const EVERY = 2000;

export class Conversation {
  /** identity: of one station, or undefined. */
  constructor({ identity }, query, signal) {
    Object.assign(this, { identity, signal });
    this.bar = filters(specs(identity), query, () => this.load());
    this.seen = new Set();
    this.log = h("ol.log", { class: identity ? "of-one" : "", "aria-label": t("Messages") });
    this.problem = h("div");
    this.older = button(t("Older"), () => this.more(), "more");
    this.pause = h("button", { type: "button", "aria-pressed": "false", onclick: () => this.togglePause() }, t("Pause"));
    this.element = h("div.conversation",
      h("div.tools", this.bar.form, h("div.buttons", this.pause,
        button(t("CSV"), () => this.save(saveCsv, "csv"), "quiet"),
        button(t("JSON lines"), () => this.save(saveLines, "jsonl"), "quiet"))),
      this.problem, this.log, this.older);
    this.older.hidden = true;
    this.first = this.load();
    follow({ type: ["message"], identity }, { seen: () => this.soon(), tick: () => this.look(), every: EVERY }, signal);
  }

  query() {
    const { q, ...query } = this.bar.values();
    return { ...query, identity: this.identity ?? query.identity };
  }

  async save(how, suffix) {
    try {
      await how(`messages.${suffix}`, "messages", this.query());
      say(t("Saved"));
    } catch (error) {
      fill(this.problem, trouble(error));
    }
  }

  togglePause() {
    this.isPaused = !this.isPaused;
    this.pause.setAttribute("aria-pressed", String(this.isPaused));
    this.pause.textContent = this.isPaused ? t("Go on") : t("Pause");
    if (!this.isPaused) this.look();
  }

  /** Many messages, one look. */
  soon() {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.look();
    }, 300);
  }

  async load() {
    this.seen.clear();
    fill(this.log);
    this.cursor = undefined;
    await this.ask({}, (items, next) => {
      this.log.append(...items.map((item) => this.entry(item)));
      this.cursor = next;
    });
  }

  /** What has come since. */
  async look() {
    await this.first;
    if (this.isPaused || this.isLooking) return;
    this.isLooking = true;
    await this.ask({}, (items, next) => {
      const fresh = items.filter(({ id }) => !this.seen.has(id));
      if (fresh.length === items.length && items.length === AT_ONCE) {
        // More have come than are asked for: begin anew.
        fill(this.log);
        this.cursor = next;
      }
      this.log.prepend(...fresh.map((item) => this.entry(item)));
      while (this.log.children.length > MOST) this.drop(this.log.lastElementChild);
    });
    this.isLooking = false;
  }

  drop(entry) {
    this.seen.delete(Number(entry.dataset.id));
    entry.remove();
    this.cursor = this.log.lastElementChild?.dataset.id;
  }

  more() {
    return this.ask({ cursor: this.cursor }, (items, next) => {
      this.log.append(...items.map((item) => this.entry(item)));
      this.cursor = next;
    });
  }

  async ask(query, show) {
    const asked = JSON.stringify(this.query());
    try {
      const { items, next } = await get("messages", { ...this.query(), limit: AT_ONCE, ...query }, this.signal);
      if (asked !== JSON.stringify(this.query())) return;
      const { q } = this.bar.values();
      show(items.filter((item) => !q || mentions(item, q)), next);
      this.older.hidden = !this.cursor;
      fill(this.problem, this.log.children.length ? null : h("p.hint.empty", t("No messages yet.")));
    } catch (error) {
      if (error.name !== "AbortError") fill(this.problem, trouble(error));
    }
  }

  entry(item) {
    this.seen.add(item.id);
    return entry(item);
  }
}

function specs(identity) {
  return [
    ...(identity ? [] : [{ name: "identity", label: t("Station") }]),
    { name: "action", label: t("Action") },
    { name: "errors", label: t("Only with errors"), kind: "flag" },
    { name: "from", label: t("From"), kind: "time" },
    { name: "to", label: t("To"), kind: "time" },
    { name: "q", label: t("Search in what is shown") },
  ];
}

function mentions(item, text) {
  return [item.identity, item.action, item.call, item.reply].some((one) => one?.toLowerCase().includes(text.toLowerCase()));
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
