/*
 * What the operator decided about a station.
 */

import { call, segment } from "../../lib/api.js";
import { h } from "../../lib/dom.js";
import { attempt, say } from "../../lib/notice.js";
import { button, choice, labelled, section, sure } from "../../lib/parts.js";
import { to } from "../../lib/router.js";
import { may } from "../../lib/who.js";
import { t } from "../../lib/words.js";

export default function show({ station }) {
  const path = `stations/${segment(station.identity)}`;
  const problem = h("div");
  const disabled = !may("operator");
  const inputs = {
    registration: choice(["Accepted", "Pending", "Rejected"], station.registration, { disabled }),
    retryInterval: h("input", { type: "number", min: 1, max: 86400, value: station.retryInterval, disabled }),
    validation: choice([["", t("as configured")], ["lenient", t("lenient")], ["strict", t("strict")], ["off", t("off")]], station.validation ?? "", { disabled }),
    pingInterval: h("input", { type: "number", min: 0, max: 86400, value: station.pingInterval ?? "", placeholder: t("as configured"), disabled }),
    endpoint: h("input", { type: "url", value: station.endpoint ?? "", placeholder: t("as it says itself"), disabled }),
    note: h("textarea", { rows: 3, maxlength: 2000, value: station.note, disabled }),
  };
  const save = (event) => {
    event.preventDefault();
    attempt(problem, async () => {
      await call("PATCH", path, { body: valuesOf(inputs) });
      say(t("Saved"));
    });
  };
  const forget = () => sure(t("Forget this station and its settings?")) && attempt(problem, async () => {
    await call("DELETE", path);
    location.hash = to("stations");
  });
  return section(t("Settings"),
    h("form.form", { onsubmit: save },
      labelled(t("Registration"), inputs.registration, t("what its BootNotification is answered with")),
      labelled(t("Boot again after, in seconds"), inputs.retryInterval, t("if it is not accepted")),
      labelled(t("Validation of its messages"), inputs.validation),
      labelled(t("Ping every, in seconds"), inputs.pingInterval, t("0 for no pings")),
      labelled(t("Address for commands"), inputs.endpoint, t("only for a station that speaks SOAP")),
      labelled(t("Note"), inputs.note),
      problem,
      disabled ? null : h("div.buttons", h("button.primary", { type: "submit" }, t("Save")), button(t("Forget this station"), forget, "danger"))));
}

function valuesOf({ registration, retryInterval, validation, pingInterval, endpoint, note }) {
  return {
    registration: registration.value,
    retryInterval: Number(retryInterval.value),
    validation: validation.value || null,
    pingInterval: pingInterval.value === "" ? null : Number(pingInterval.value),
    endpoint: endpoint.value || null,
    note: note.value,
  };
}
