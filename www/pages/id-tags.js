/*
 * Id tags: who may charge.
 */

import { call, segment } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { localTime, utc } from "../lib/filters.js";
import { time } from "../lib/format.js";
import { Listing } from "../lib/listing.js";
import { attempt, say } from "../lib/notice.js";
import { badge, button, choice, heading, labelled, section, sure } from "../lib/parts.js";
import { toQuery } from "../lib/router.js";
import { may } from "../lib/who.js";
import { t } from "../lib/words.js";

export default function show({ query, signal }) {
  const problem = h("div");
  const editor = h("div");
  const edit = (tag) => {
    fill(editor, form(tag, () => { fill(editor); list.load(); }, () => fill(editor)));
    editor.querySelector("input:not(:disabled), select").focus();
  };
  const remove = (idTag) => sure(t("Delete {name}?", { name: idTag })) && attempt(problem, async () => {
    await call("DELETE", `idTags/${segment(idTag)}`);
    await list.load();
  });
  const list = new Listing({
    path: "idTags", label: t("Id tags"), empty: t("No id tags."),
    specs: [{ name: "q", label: t("Search") }, { name: "status", label: t("State"), kind: "choice", options: ["Accepted", "Blocked"] }],
    columns: [
      [t("Id tag"), (tag) => h("b", tag.idTag)],
      [t("State"), (tag) => badge(tag.status)],
      [t("Valid to"), (tag) => (tag.expiryDate ? time(tag.expiryDate, { full: true }) : "–")],
      [t("Parent"), (tag) => tag.parentIdTag ?? "–"],
      [t("Active at most"), (tag) => tag.maxActiveTransactions ?? "–", "number"],
      [t("Note"), (tag) => tag.note ?? ""],
      [t("Do"), (tag) => h("div.buttons",
        h("a", { href: toQuery(["transactions"], { idTag: tag.idTag }) }, t("Transactions")),
        may("operator") ? button(t("Change"), () => edit(tag)) : null,
        may("operator") ? button(t("Delete"), () => remove(tag.idTag), "danger") : null)],
    ],
  }, query, signal);
  return h("div", heading(t("Id tags"), may("operator") ? button(t("New id tag"), () => edit(null), "primary") : null), editor, problem, list.element);
}

function form(tag, done, cancel) {
  const inputs = {
    idTag: h("input", { value: tag?.idTag ?? "", required: true, maxlength: 20, disabled: Boolean(tag), autocomplete: "off" }),
    status: choice(["Accepted", "Blocked"], tag?.status),
    expiryDate: h("input", { type: "datetime-local", step: 1, value: localTime(tag?.expiryDate) }),
    parentIdTag: h("input", { value: tag?.parentIdTag ?? "", maxlength: 20 }),
    maxActiveTransactions: h("input", { type: "number", min: 0, value: tag?.maxActiveTransactions ?? "" }),
    note: h("input", { value: tag?.note ?? "" }),
  };
  const problem = h("div");
  const save = (event) => {
    event.preventDefault();
    attempt(problem, async () => {
      await call("PUT", `idTags/${segment(inputs.idTag.value.trim())}`, { body: bodyOf(inputs) });
      say(t("Saved"));
      done();
    });
  };
  return section(tag ? t("Change {name}", { name: tag.idTag }) : t("New id tag"),
    h("form.form", { onsubmit: save },
      h("div.filters",
        labelled(t("Id tag"), inputs.idTag),
        labelled(t("State"), inputs.status),
        labelled(t("Valid to"), inputs.expiryDate),
        labelled(t("Parent"), inputs.parentIdTag),
        labelled(t("Active transactions at most"), inputs.maxActiveTransactions),
        labelled(t("Note"), inputs.note)),
      problem,
      h("div.buttons", h("button.primary", { type: "submit" }, t("Save")), button(t("Leave it"), cancel))));
}

function bodyOf({ status, expiryDate, parentIdTag, maxActiveTransactions, note }) {
  const most = maxActiveTransactions.value;
  const said = {
    status: status.value,
    expiryDate: utc(expiryDate.value),
    parentIdTag: parentIdTag.value.trim(),
    maxActiveTransactions: most === "" ? "" : Number(most),
    note: note.value,
  };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== ""));
}
