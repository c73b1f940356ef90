/*
 * Small pieces that many pages are made of.
 */

import { h, newId } from "./dom.js";
import { to } from "./router.js";
import { t } from "./words.js";

export function heading(text, ...beside) {
  document.title = `${text} · OCPP`;
  return h("div.heading", h("h1", text), ...beside);
}

/** A label and what it labels, one above the other. */
export function labelled(text, input, hint = "") {
  input.id ||= newId();
  return h("div.field",
    h("label", { for: input.id }, text),
    input,
    hint ? h("small", hint) : null,
  );
}

/** Options of ["value", "text"] or "value". */
export function choice(options, value = "", attributes = {}) {
  return h("select", attributes, options.map((option) => {
    const [name, text] = Array.isArray(option) ? option : [option, option];
    return h("option", { value: name, selected: String(name) === String(value) }, text);
  }));
}

export function button(text, onclick, kind = "") {
  return h("button", { type: "button", class: kind, onclick }, text);
}

/** Names and values, as a description list; without what is not known. */
export function facts(pairs) {
  return h("dl.facts", pairs
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => h("div", h("dt", name), h("dd", value))));
}

const GOOD = new Set(["Available", "Accepted", "Active", "connected", "Stopped", "Used", "answered"]);
const BUSY = new Set(["Charging", "SuspendedEV", "SuspendedEVSE", "Occupied", "Preparing", "Finishing", "Reserved", "Pending", "waiting", "sending"]);
const BAD = new Set(["Faulted", "Rejected", "Blocked", "failed", "expired"]);

/** "good", "busy", "bad" or "" of a status of the standard. */
export function mood(status) {
  if (GOOD.has(status)) return "good";
  if (BUSY.has(status)) return "busy";
  return BAD.has(status) ? "bad" : "";
}

/** A status as a badge: colour, and always the word. */
export function badge(text, kind = mood(text)) {
  return h("span.badge", { class: kind }, text);
}

export const stationLink = (identity) => h("a", { href: to("stations", identity) }, identity);

export function transactionLink(id) {
  return id === null || id === undefined ? "–" : h("a", { href: to("transactions", String(id)) }, String(id));
}

/** A part of a page under a heading of its own. */
export function section(text, ...children) {
  const id = newId();
  return h("section.panel", { "aria-labelledby": id }, h("h2", { id }, text), ...children);
}

/** What people must confirm before it is done. */
export const sure = (question) => window.confirm(question);

export const loading = () => h("p.hint", t("Asking …"));
