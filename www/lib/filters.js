/*
 * What narrows a list down: a row of fields, kept in the address.
 */

import { h } from "./dom.js";
import { remember } from "./router.js";
import { choice, labelled } from "./parts.js";
import { t } from "./words.js";

/** How long to wait for the next key, in ms. */
const TYPING = 300;

/**
 * Each is {name, label, kind: "text" | "choice" | "flag" | "time", options?}.
 */
export function filters(specs, query, changed) {
  const inputs = specs.map((spec) => [spec, inputOf(spec, query[spec.name])]);
  let timer;
  const tell = () => {
    const values = valuesOf(inputs);
    remember({ ...query, ...values });
    changed(values);
  };
  const form = h("form.filters", { role: "search", onsubmit: (event) => { event.preventDefault(); tell(); } },
    inputs.map(([spec, input]) => labelled(spec.label, input)));
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(tell, TYPING);
  };
  form.addEventListener("input", soon);
  // Not all that chooses for people tells that it is input.
  form.addEventListener("change", ({ target }) => target.matches("select") && soon());
  return { form, values: () => valuesOf(inputs) };
}

function inputOf({ name, kind = "text", options = [], placeholder }, value = "") {
  switch (kind) {
    case "choice": return choice([["", t("all")], ...options], value, { name });
    case "flag": return choice([["", t("all")], ["true", t("yes")], ["false", t("no")]], value, { name });
    case "time": return h("input", { type: "datetime-local", name, value: localTime(value) });
    default: return h("input", { type: "search", name, value, placeholder, autocomplete: "off", spellcheck: "false" });
  }
}

function valuesOf(inputs) {
  return Object.fromEntries(inputs.map(([{ name, kind }, { value }]) =>
    [name, kind === "time" ? utc(value) : value.trim()]));
}

/** What a field for dates takes, of an ISO time. */
export function localTime(iso) {
  const when = new Date(iso);
  if (!iso || Number.isNaN(when.getTime())) return "";
  const local = new Date(when.getTime() - when.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}

/** And back: a local time as UTC. */
export function utc(local) {
  const when = new Date(local);
  return local && !Number.isNaN(when.getTime()) ? when.toISOString().replace(/\.000Z$/, "Z") : "";
}
