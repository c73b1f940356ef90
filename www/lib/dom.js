/*
 * Elements, made of names and texts. Nothing here ever parses markup, so
 * what a station says of itself stays a text.
 */

const SVG = "http://www.w3.org/2000/svg";

/** What is no attribute but a property of the element. */
const PROPERTIES = new Set(["value", "checked", "selected", "disabled", "hidden", "indeterminate"]);

/** h("p.note", {id: "x"}, "text", child, [children]) */
export function h(tag, ...rest) {
  return build(document.createElement(tag.split(".")[0]), tag, rest);
}

/** The same for SVG. */
export function s(tag, ...rest) {
  return build(document.createElementNS(SVG, tag.split(".")[0]), tag, rest);
}

function build(element, tag, rest) {
  const classes = tag.split(".").slice(1);
  if (classes.length) element.classList.add(...classes);
  const attributes = isPlain(rest[0]) ? rest.shift() : {};
  element.append(...nodes(rest));
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  return element;
}

function isPlain(value) {
  return value !== null && typeof value === "object"
    && Object.getPrototypeOf(value) === Object.prototype;
}

function nodes(children) {
  return children.flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

function set(element, name, value) {
  if (value === undefined || value === null) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (PROPERTIES.has(name)) element[name] = value;
  else if (name === "class") element.classList.add(...value.split(" ").filter(Boolean));
  else if (value !== false) element.setAttribute(name, value === true ? "" : value);
}

/** Put these in the place of what an element holds; a link keeps the keyboard. */
export function fill(element, ...children) {
  const focused = element.contains(document.activeElement) && document.activeElement.getAttribute("href");
  element.replaceChildren(...nodes(children));
  if (focused) [...element.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus();
  return element;
}

let numbered = 0;

/** An id that no other element has. */
export const newId = () => `n${++numbered}`;
