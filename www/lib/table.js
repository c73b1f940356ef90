/*
 * A table of items: columns of [title, cell, class?].
 */

import { h } from "./dom.js";

export function table(columns, items, label) {
  return h("div.wide", { tabindex: 0, role: "region", "aria-label": label },
    h("table",
      h("thead", h("tr", columns.map(([title, , kind]) => h("th", { scope: "col", class: kind }, title)))),
      h("tbody", items.map((item) => row(columns, item))),
    ));
}

export function row(columns, item) {
  return h("tr", columns.map(([title, cell, kind]) =>
    h("td", { class: kind, "data-title": title }, h("div", cell(item) ?? "–"))));
}
