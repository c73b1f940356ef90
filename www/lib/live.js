/*
 * What happens, as it happens: by Server-Sent Events, and where they are not
 * to be had by asking again and again.
 */

import { url } from "./api.js";

/** How long until events are tried again, in ms. */
const AGAIN = 30_000;

/** What the server names its events. */
const NAMES = ["message", "connected", "disconnected", "status", "transaction"];

/** How long the first event stream may take to open, in ms. */
const OPENING = 1500;

/**
 * Follow events, until the signal says stop.
 *
 * filter: {type: [...], identity}. seen({type, ...}) hears each; tick() is to
 * look afresh: when events (re)start, and every so many ms while there are
 * none. Nothing happens while the page is hidden: browsers allow only six
 * connections to a place.
 */
export function follow(filter, { seen = () => {}, tick = () => {}, every = 5000 }, signal) {
  const line = new Line(filter, seen, tick, every);
  const look = () => (document.hidden ? line.stop() : line.start());
  document.addEventListener("visibilitychange", look);
  signal.addEventListener("abort", () => {
    document.removeEventListener("visibilitychange", look);
    line.stop();
  });
  look();
}

class Line {
  constructor(filter, seen, tick, every) {
    Object.assign(this, { filter, seen, tick, every });
  }

  start() {
    if (this.timer || this.source) return;
    this.timer = setTimeout(() => this.poll(), OPENING);
    this.listen();
  }

  stop() {
    this.source?.close();
    clearTimeout(this.timer);
    clearTimeout(this.retry);
    this.source = this.timer = this.retry = undefined;
  }

  /** Look, and look again later, as long as no events come. */
  async poll() {
    this.timer = setTimeout(() => this.poll(), this.every);
    if (this.source?.readyState !== EventSource.OPEN) await this.tick();
  }

  listen() {
    const source = new EventSource(url("events", this.filter));
    this.source = source;
    for (const name of NAMES) source.addEventListener(name, (event) => this.hear(name, event));
    source.addEventListener("gap", () => this.tick());
    source.onopen = () => this.tick(); // what was before, and what was missed
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return;
      this.tick();
      this.retry = setTimeout(() => this.listen(), AGAIN);
    };
  }

  hear(name, event) {
    try {
      this.seen({ type: name, ...JSON.parse(event.data) });
    } catch (error) {
      console.warn("an event that makes no sense", error.message);
    }
  }
}
