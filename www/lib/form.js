/*
 * A form made of a JSON Schema: schemaForm(schema, value, changed) with
 * value() of what is filled in. What is left empty is left out.
 */

import { fill, h } from "./dom.js";
import { localTime, utc } from "./filters.js";
import { button, choice, labelled } from "./parts.js";
import { resolve } from "./schemas.js";
import { t } from "./words.js";

export function schemaForm(schema, value, changed) {
  const whole = new ObjectField(schema, value ?? {}, schema, "");
  const element = h("div.form", whole.fields);
  element.addEventListener("input", changed);
  element.addEventListener("change", changed);
  element.addEventListener("refilled", changed);
  return { element, value: () => whole.value() ?? {} };
}

/** The field of that schema; value() is undefined where nothing is said. */
function field(schema, value, root, name, isRequired) {
  const resolved = resolve(schema, root);
  const Kind = kindOf(resolved);
  return new Kind(resolved, value, root, name, isRequired);
}

function kindOf(schema) {
  if (schema.enum) return EnumField;
  switch (schema.type) {
    case "object": return schema.properties ? OptionalObject : JsonField;
    case "array": return ListField;
    case "boolean": return FlagField;
    case "integer":
    case "number": return NumberField;
    case "string": return schema.format === "date-time" ? TimeField : TextField;
    default: return JsonField;
  }
}

class ObjectField {
  constructor(schema, value, root) {
    const required = new Set(schema.required ?? []);
    // What must be said comes first.
    const names = Object.keys(schema.properties ?? {}).filter((name) => name !== "customData");
    names.sort((a, b) => required.has(b) - required.has(a));
    this.members = names.map((name) => [name, field(schema.properties[name], value?.[name], root, name, required.has(name))]);
    this.fields = this.members.length ? this.members.map(([, one]) => one.element) : h("p.hint", t("Nothing more to say."));
  }

  value() {
    const said = this.members.map(([name, one]) => [name, one.value()]).filter(([, one]) => one !== undefined);
    return Object.fromEntries(said);
  }
}

/** An object that may be left out as a whole. */
class OptionalObject {
  constructor(schema, value, root, name, isRequired) {
    this.inner = new ObjectField(schema, value, root);
    this.given = h("input", { type: "checkbox", checked: isRequired || value !== undefined, disabled: isRequired, "aria-label": t("say something of {name}", { name }) });
    const body = h("div.form", { hidden: !this.given.checked }, this.inner.fields);
    this.given.addEventListener("change", () => { body.hidden = !this.given.checked; });
    this.element = h("fieldset", h("legend", { class: isRequired ? "required" : "" }, isRequired ? null : [this.given, " "], name), body);
  }

  value() {
    return this.given.checked ? this.inner.value() : undefined;
  }
}

class ListField {
  constructor(schema, value, root, name, isRequired) {
    Object.assign(this, { schema, root, name, items: [] });
    this.list = h("div.form");
    const least = Math.max(schema.minItems ?? 0, isRequired ? 1 : 0);
    const given = Array.isArray(value) ? value : Array.from({ length: least });
    this.element = h("fieldset", h("legend", { class: isRequired ? "required" : "" }, name), this.list,
      h("div", button(t("Add"), () => { this.add(); this.tell(); }, "quiet")));
    given.forEach((one) => this.add(one));
  }

  add(value) {
    const item = field(this.schema.items ?? {}, value, this.root, `${this.name} ${this.items.length + 1}`, true);
    const row = h("div.element", item.element, button(t("Remove"), () => {
      this.items = this.items.filter((one) => one !== item);
      row.remove();
      this.tell();
    }, "quiet"));
    this.items.push(item);
    this.list.append(row);
  }

  tell() {
    this.list.dispatchEvent(new Event("refilled", { bubbles: true }));
  }

  value() {
    const said = this.items.map((item) => item.value()).filter((one) => one !== undefined);
    return said.length ? said : undefined;
  }
}

/** What has one input. */
class Simple {
  constructor(schema, value, root, name, isRequired) {
    this.input = this.makeInput(schema, value, isRequired);
    this.input.name = name;
    if (isRequired) this.input.setAttribute("aria-required", "true");
    this.element = labelled(name, this.input, hintOf(schema));
    if (isRequired) this.element.classList.add("required");
  }
}

function hintOf({ description, maxLength, minimum, maximum, multipleOf }) {
  const rules = [
    maxLength === undefined ? "" : t("at most {n} characters", { n: maxLength }),
    minimum === undefined ? "" : t("at least {n}", { n: minimum }),
    maximum === undefined ? "" : t("at most {n}", { n: maximum }),
    multipleOf === undefined ? "" : t("in steps of {n}", { n: multipleOf }),
  ];
  return [description?.split("\n")[0].slice(0, 160), ...rules].filter(Boolean).join("; ");
}

class TextField extends Simple {
  makeInput({ maxLength }, value) {
    return h("input", { value: value ?? "", maxlength: maxLength, autocomplete: "off", spellcheck: "false" });
  }

  value() {
    return this.input.value === "" ? undefined : this.input.value;
  }
}

class NumberField extends Simple {
  makeInput({ type, multipleOf, minimum, maximum }, value) {
    const step = type === "integer" ? 1 : multipleOf ?? "any";
    return h("input", { type: "number", value: value ?? "", step, min: minimum, max: maximum });
  }

  value() {
    return this.input.value === "" ? undefined : Number(this.input.value);
  }
}

class EnumField extends Simple {
  makeInput({ enum: options }, value, isRequired) {
    return choice(isRequired ? options : [["", "–"], ...options], value ?? "");
  }

  value() {
    return this.input.value === "" ? undefined : this.input.value;
  }
}

class FlagField extends Simple {
  makeInput(schema, value, isRequired) {
    return choice([...(isRequired ? [] : [["", "–"]]), ["true", t("yes")], ["false", t("no")]], value ?? "");
  }

  value() {
    return this.input.value === "" ? undefined : this.input.value === "true";
  }
}

class TimeField extends Simple {
  makeInput(schema, value) {
    return h("input", { type: "datetime-local", step: 1, value: localTime(value) });
  }

  value() {
    return utc(this.input.value) || undefined;
  }
}

/** Whatever the schema does not tell: as JSON. */
class JsonField extends Simple {
  makeInput(schema, value) {
    return h("textarea.json", { rows: 3, value: value === undefined ? "" : JSON.stringify(value, null, 2), spellcheck: "false" });
  }

  value() {
    try {
      return this.input.value === "" ? undefined : JSON.parse(this.input.value);
    } catch {
      return this.input.value;
    }
  }
}

/** A form with its JSON beside it; either can be edited. */
export function formBesideJson(schema, value, changed = () => {}) {
  const place = h("div");
  const json = h("textarea.json", { spellcheck: "false", "aria-label": t("The same as JSON") });
  const problem = h("p.hint", { role: "status" });
  let form;
  const refill = (said) => {
    form = schemaForm(schema, said, () => show(form.value()));
    fill(place, form.element);
  };
  const show = (said) => {
    json.value = JSON.stringify(said, null, 2);
    json.classList.remove("wrong");
    problem.textContent = "";
    changed(said);
  };
  json.addEventListener("input", () => {
    const said = parse(json, problem);
    if (said !== undefined) {
      refill(said);
      changed(said);
    }
  });
  refill(value);
  show(form.value());
  return {
    element: h("div.beside", place, labelled(t("The same as JSON"), json), problem),
    /** What is to be sent; undefined where it is no JSON. */
    value: () => parse(json, problem),
  };
}

function parse(json, problem) {
  try {
    const said = JSON.parse(json.value);
    json.classList.remove("wrong");
    problem.textContent = "";
    return said;
  } catch (error) {
    json.classList.add("wrong");
    problem.textContent = t("This is no JSON: {why}", { why: error.message });
    return undefined;
  }
}
