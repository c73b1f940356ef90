/*
 * Frames of OCPP-J as people read them: indented, what is wrong marked at its
 * place.
 */

import { h } from "./dom.js";
import { samplesOf } from "./samples.js";

/** How deep a frame is drawn as JSON; what is deeper is a text. */
const DEEPEST = 30;

/** A frame as JSON, or undefined. */
export function parseFrame(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The frame as an element; violations: [{path, rule, message}]. */
export function frameText(text, violations = []) {
  if (text === null || text === undefined) return h("p.hint", "–");
  const frame = parseFrame(text);
  if (frame === undefined) return h("pre", h("code", text));
  // Paths begin at the payload, which is the last member of a Call.
  const payload = Array.isArray(frame) && frame[0] === 2 ? 3 : -1;
  if (isDeep(frame)) return h("pre", h("code", text));
  const marks = new Map(violations.filter(({ path }) => path).map(({ path, message }) => [path, message]));
  return h("pre", h("code", pretty(frame, marks, 0, (key) => (key === payload ? "$" : null))));
}

/** JSON of several lines, as texts and marks. */
export function pretty(value, marks = new Map(), depth = 0, pathOf = () => null, path = null) {
  const message = path === null ? undefined : marks.get(path);
  const text = isShort(value, marks) ? JSON.stringify(value) : inLines(value, marks, depth, pathOf, path);
  return message === undefined ? text : h("mark", { title: message }, text);
}

function isShort(value, marks) {
  if (value === null || typeof value !== "object") return true;
  return !Object.keys(value).length || (Array.isArray(value) && !marks.size && value.every((one) => typeof one === "number"));
}

function inLines(value, marks, depth, pathOf, path) {
  const isList = Array.isArray(value);
  const indent = "  ".repeat(depth + 1);
  const parts = Object.entries(value).map(([key, one], at, all) => {
    const below = path === null ? pathOf(isList ? Number(key) : key) : isList ? `${path}[${key}]` : `${path}.${key}`;
    return ["\n", indent, isList ? "" : `${JSON.stringify(key)}: `, pretty(one, marks, depth + 1, pathOf, below), at < all.length - 1 ? "," : ""];
  });
  return [isList ? "[" : "{", parts, "\n", "  ".repeat(depth), isList ? "]" : "}"];
}

/** The payload of a frame on one line. */
export function gist(text) {
  const frame = parseFrame(text);
  const payload = Array.isArray(frame) ? frame.at(-1) : frame;
  if (payload === null || typeof payload !== "object" || isDeep(payload)) return (text ?? "").slice(0, 300);
  const said = Object.entries(payload).map(([name, value]) => `${name} ${inShort(name, value)}`).join(" · ");
  return said.length > 300 ? `${said.slice(0, 300)}…` : said;
}

function inShort(name, value) {
  if (name === "meterValue" && Array.isArray(value)) return value.map(valuesOf).join("; ");
  return typeof value === "object" ? JSON.stringify(value) : value;
}

const valuesOf = (meter) => samplesOf(meter).map(({ measurand, phase, value, unit }) =>
  [value, unit, measurand, phase].filter(Boolean).join(" ")).join(", ");

/** Whether it is nested deeper than any message of OCPP, level by level. */
function isDeep(value) {
  let level = [value];
  for (let depth = 0; level.length; depth++) {
    if (depth > DEEPEST) return true;
    level = level.flatMap((one) => (one !== null && typeof one === "object" ? Object.values(one) : []));
  }
  return false;
}
