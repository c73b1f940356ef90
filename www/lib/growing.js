/*
 * A list of the API that only grows, oldest first: of what was read already
 * only the last page is asked for again.
 */

import { get } from "./api.js";

/** Items of a page. */
const AT_ONCE = 1000;

export class Growing {
  constructor(path, most) {
    Object.assign(this, { path, most });
    this.full = [];
    this.cursor = null;
  }

  /** All there is now, up to the most. */
  async all(signal) {
    for (;;) {
      const { items, next } = await get(this.path, { limit: AT_ONCE, cursor: this.cursor }, signal);
      if (!next || this.full.length >= this.most) return [...this.full, ...items];
      this.full.push(...items);
      this.cursor = next;
    }
  }
}
