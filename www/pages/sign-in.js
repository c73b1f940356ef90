/*
 * Sign-in, where the API asks for it.
 */

import { h } from "../lib/dom.js";
import { attempt } from "../lib/notice.js";
import { heading, labelled } from "../lib/parts.js";
import { signIn } from "../lib/who.js";
import { t } from "../lib/words.js";

export default function show() {
  const name = h("input", { name: "username", autocomplete: "username", required: true });
  const password = h("input", { type: "password", name: "password", autocomplete: "current-password", required: true });
  const problem = h("div");
  const enter = (event) => {
    event.preventDefault();
    attempt(problem, async () => {
      await signIn(name.value, password.value);
      location.hash = sessionStorage.getItem("wanted") || "#/";
      sessionStorage.removeItem("wanted");
    });
  };
  queueMicrotask(() => name.focus());
  return h("div.narrow.panel", heading(t("Sign in")),
    h("form.form", { onsubmit: enter },
      labelled(t("Name"), name),
      labelled(t("Password"), password),
      problem,
      h("button.primary", { type: "submit" }, t("Sign in"))));
}
