/*
 * Who may use this: users with their roles, and keys for programs.
 */

import { call, segment } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { utc } from "../lib/filters.js";
import { time } from "../lib/format.js";
import { Listing } from "../lib/listing.js";
import { attempt, say } from "../lib/notice.js";
import { badge, button, choice, heading, labelled, section, sure } from "../lib/parts.js";
import { may } from "../lib/who.js";
import { t } from "../lib/words.js";

const ROLES = [["viewer", t("viewer: sees")], ["operator", t("operator: commands")], ["admin", t("admin: everything")]];

export default function show({ signal }) {
  return h("div", heading(t("Users and keys")), users(signal), keys(signal), deeds(signal));
}

function users(signal) {
  const problem = h("div");
  const list = new Listing({
    path: "users", label: t("Users"), every: 60_000, empty: t("There are no users: whoever can reach the server may use it."),
    columns: [
      [t("Name"), (one) => h("b", one.name)],
      [t("Role"), (one) => roleOf(one, problem)],
      [t("Password"), (one) => passwordOf(one, problem)],
      [t("Do"), (one) => remover(`users/${segment(one.name)}`, one.name, problem, () => list.load())],
    ],
  }, {}, signal);
  return section(t("Users"), problem, list.element, may("admin") ? newUser(() => list.load()) : null);
}

function roleOf({ name, role }, problem) {
  if (!may("admin")) return badge(role, "");
  const input = choice(ROLES, role, { "aria-label": t("Role"), onchange: () => put(name, { role: input.value }, problem) });
  return input;
}

function passwordOf({ name, role }, problem) {
  if (!may("admin")) return "–";
  const input = h("input", { type: "password", autocomplete: "new-password", "aria-label": t("New password"), placeholder: t("New password"), required: true });
  const change = (event) => {
    event.preventDefault();
    put(name, { role, password: input.value }, problem).then(() => { input.value = ""; });
  };
  return h("form.row", { onsubmit: change }, input, h("button", { type: "submit" }, t("Change")));
}

const put = (name, body, problem) => attempt(problem, async () => {
  await call("PUT", `users/${segment(name)}`, { body });
  say(t("Saved"));
});

function remover(path, name, problem, done) {
  if (!may("admin")) return "";
  return button(t("Delete"), () => sure(t("Delete {name}?", { name })) && attempt(problem, async () => {
    await call("DELETE", path);
    await done();
  }), "danger");
}

function newUser(done) {
  const name = h("input", { required: true, autocomplete: "off" });
  const password = h("input", { type: "password", required: true, autocomplete: "new-password" });
  const role = choice(ROLES, "operator");
  const problem = h("div");
  const make = (event) => {
    event.preventDefault();
    attempt(problem, async () => {
      await call("PUT", `users/${segment(name.value)}`, { body: { role: role.value, password: password.value } });
      name.value = password.value = "";
      await done();
    });
  };
  return h("form", { onsubmit: make }, h("h3", t("New user")),
    h("div.row", labelled(t("Name"), name), labelled(t("Password"), password), labelled(t("Role"), role), h("button", { type: "submit" }, t("Add"))), problem);
}

function keys(signal) {
  const problem = h("div");
  const list = new Listing({
    path: "keys", label: t("API keys"), every: 60_000, empty: t("There are no keys."),
    columns: [
      [t("Name"), (one) => h("b", one.name)],
      [t("Role"), (one) => badge(one.role, "")],
      [t("Stations"), (one) => one.identities?.join(", ") ?? t("all")],
      [t("Made"), (one) => time(one.created)],
      [t("Valid to"), (one) => (one.expires ? time(one.expires) : t("for ever"))],
      [t("Last used"), (one) => time(one.lastUsed)],
      [t("Do"), (one) => remover(`keys/${segment(one.id)}`, one.name, problem, () => list.load())],
    ],
  }, {}, signal);
  return section(t("API keys"), problem, list.element, may("admin") ? newKey(() => list.load()) : null);
}

function deeds(signal) {
  const list = new Listing({
    path: "audit", label: t("What was done"), empty: t("Nothing was done so far."), csv: "audit",
    specs: [{ name: "who", label: t("By") }],
    columns: [
      [t("When"), (one) => time(one.time)],
      [t("By"), (one) => [one.who ?? "–", " ", h("small", one.via)]],
      [t("Address"), (one) => one.address],
      [t("What"), (one) => [one.action ? h("b", one.action, " ") : null, h("code", `${one.method} ${one.path}`)]],
      [t("Result"), (one) => badge(one.status, one.status < 400 ? "good" : "bad"), "number"],
    ],
  }, {}, signal);
  return section(t("What was done"), list.element);
}

function newKey(done) {
  const name = h("input", { required: true, autocomplete: "off" });
  const role = choice(ROLES, "viewer");
  const identities = h("input", { autocomplete: "off", placeholder: t("all") });
  const expires = h("input", { type: "datetime-local" });
  const problem = h("div");
  const shown = h("div", { role: "status" });
  const make = (event) => {
    event.preventDefault();
    attempt(problem, async () => {
      const limits = { identities: namesIn(identities.value), expires: utc(expires.value) || undefined };
      const { key } = await call("POST", "keys", { body: { name: name.value, role: role.value, ...limits } });
      fill(shown, h("p.warning", t("Copy it now, it is not shown again:"), " ", h("code", key)));
      name.value = "";
      await done();
    });
  };
  return h("form", { onsubmit: make }, h("h3", t("New key")),
    h("div.row", labelled(t("Name"), name), labelled(t("Role"), role),
      labelled(t("Only for the stations"), identities), labelled(t("Valid to"), expires), h("button", { type: "submit" }, t("Make"))), problem, shown);
}

/** "CP1, CP2" as a list; undefined where there is none. */
function namesIn(text) {
  const names = text.split(",").map((name) => name.trim()).filter(Boolean);
  return names.length ? names : undefined;
}
