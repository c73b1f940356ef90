/*
 * Emulated stations: those that run, and new ones.
 */

import { call, segment } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { Listing } from "../lib/listing.js";
import { attempt } from "../lib/notice.js";
import { badge, button, heading, labelled, mood, section, stationLink, sure } from "../lib/parts.js";
import { to } from "../lib/router.js";
import { may } from "../lib/who.js";
import { t } from "../lib/words.js";

export default function show({ query, signal }) {
  const problem = h("div");
  const maker = h("div");
  const remove = (name) => sure(t("Delete {name}?", { name })) && attempt(problem, async () => {
    await call("DELETE", `emulators/${segment(name)}`);
    await list.load();
  });
  const list = new Listing({
    path: "emulators", label: t("Emulated stations"), empty: t("No emulated stations run here."), every: 2000, live: { type: ["status", "connected", "disconnected"] },
    columns: [
      [t("Name"), (one) => h("a", { href: to("emulators", one.name) }, one.name)],
      [t("Station"), (one) => stationLink(one.identity ?? one.name)],
      [t("State"), (one) => stateOf(one)],
      [t("Connectors"), (one) => connectorsOf(one)],
      [t("Do"), (one) => (may("operator") ? button(t("Delete"), () => remove(one.name), "danger") : "")],
    ],
  }, query, signal);
  const open = () => {
    fill(maker, form((name) => { location.hash = to("emulators", name); }, () => fill(maker)));
    maker.querySelector("input").focus();
  };
  return h("div", heading(t("Emulated stations"), may("operator") ? button(t("New emulated station"), open, "primary") : null), maker, problem, list.element);
}

export const stateOf = ({ connected, online, registration }) => (connected ?? online
  ? badge(registration || t("connected"), mood(registration || "connected")) : badge(t("not connected"), ""));

export const connectorsOf = ({ connectors = [] }) => connectors.filter(({ connectorId }) => connectorId !== 0)
  .map(({ connectorId, status }) => [h("span.chip", { class: mood(status) }, `${connectorId} ${status}`), " "]);

function form(done, cancel) {
  const name = h("input", { value: "EMU1", required: true, maxlength: 48 });
  const connectors = h("input", { type: "number", min: 1, max: 16, value: 1 });
  const problem = h("div");
  const make = (event) => {
    event.preventDefault();
    attempt(problem, async () => {
      await call("POST", "emulators", { body: { name: name.value, connectors: Number(connectors.value) } });
      done(name.value);
    });
  };
  return section(t("New emulated station"), h("form.form", { onsubmit: make },
    h("div.filters", labelled(t("Name"), name), labelled(t("Connectors"), connectors)), problem,
    h("div.buttons", h("button.primary", { type: "submit" }, t("Start it")), button(t("Leave it"), cancel))));
}
