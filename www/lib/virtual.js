/*
 * A list of which only what is seen is drawn: rows of one height, each with
 * one item or, as cards, with several. The page scrolls, not the list.
 */

import { h } from "./dom.js";

/** How many rows beyond the window are drawn. */
const BEYOND = 6;

export class VirtualList {
  /**
   * draw(item) makes an element; key(item) names it for good. An item that
   * changes is another object.
   */
  constructor({ draw, key, rowHeight, columns = () => 1, role = "list" }, signal) {
    Object.assign(this, { draw, key, rowHeight, columns, role });
    this.items = [];
    this.drawn = new Map();
    this.element = h("div.virtual", { role });
    this.look = () => this.plan();
    window.addEventListener("scroll", this.look, { passive: true, signal });
    const sized = new ResizeObserver(this.look);
    sized.observe(this.element);
    signal.addEventListener("abort", () => sized.disconnect());
  }

  show(items) {
    this.items = items;
    this.update();
  }

  plan() {
    this.planned ??= requestAnimationFrame(() => {
      this.planned = undefined;
      this.update();
    });
  }

  update() {
    const across = Math.max(1, this.columns(this.element.clientWidth));
    const rows = Math.ceil(this.items.length / across);
    this.element.style.height = `${rows * this.rowHeight}px`;
    const [first, last] = this.seen(rows);
    const wanted = new Set();
    let before = null;
    for (let at = first * across; at < Math.min(last * across, this.items.length); at++) {
      const element = this.place(at, across);
      wanted.add(this.key(this.items[at]));
      // In the order of the list, for those who read or tab through it.
      if (before?.nextElementSibling !== element && before) before.after(element);
      else if (!before && this.element.firstElementChild !== element) this.element.prepend(element);
      before = element;
    }
    for (const [key, { element }] of this.drawn) {
      if (!wanted.has(key)) {
        element.remove();
        this.drawn.delete(key);
      }
    }
  }

  /** The rows in the window: [first, behind the last]. */
  seen(rows) {
    const top = -this.element.getBoundingClientRect().top;
    const first = Math.floor(top / this.rowHeight) - BEYOND;
    const last = Math.ceil((top + window.innerHeight) / this.rowHeight) + BEYOND;
    return [Math.max(0, Math.min(first, rows)), Math.max(0, Math.min(last, rows))];
  }

  place(at, across) {
    const element = this.elementOf(this.items[at]);
    element.style.top = `${Math.floor(at / across) * this.rowHeight}px`;
    element.style.left = `${((at % across) * 100) / across}%`;
    element.style.width = `${100 / across}%`;
    if (this.role === "rowgroup") {
      element.setAttribute("aria-rowindex", at + 2); // below the heads
    } else {
      element.setAttribute("aria-setsize", this.items.length);
      element.setAttribute("aria-posinset", at + 1);
    }
    return element;
  }

  elementOf(item) {
    const key = this.key(item);
    const old = this.drawn.get(key);
    if (old?.item === item) return old.element;
    const element = this.draw(item);
    if (old) replace(old.element, element);
    this.drawn.set(key, { item, element });
    return element;
  }
}

/** The keyboard stays where it was. */
function replace(old, element) {
  const focused = old.contains(document.activeElement);
  old.replaceWith(element);
  if (focused) (element.matches("a") ? element : element.querySelector("a"))?.focus();
}
