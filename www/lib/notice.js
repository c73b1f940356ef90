/*
 * What went wrong, in words, where it happened; and what went well.
 */

import { Refused, Unreachable } from "./api.js";
import { h } from "./dom.js";
import { t } from "./words.js";

/** An error as an element. */
export function trouble(error) {
  if (error instanceof Unreachable) return h("p.trouble", { role: "alert" }, t("The central system does not answer. Trying again …"));
  if (error instanceof Refused) return refusal(error);
  console.error(error);
  return h("p.trouble", { role: "alert" }, String(error.message ?? error));
}

function refusal(error) {
  if (error.status === 403) return h("p.hint", t("You may not do this: "), error.message);
  if (error.status === 501) return h("p.hint", t("Not kept here: "), error.message);
  return h("div.trouble", { role: "alert" },
    h("p", error.message),
    error.callError ? h("p", h("code", error.callError.errorCode), " ", error.callError.errorDescription) : null,
  );
}

/** Say it for some seconds. */
export function say(text) {
  const said = document.getElementById("said");
  const note = h("p", text);
  said.append(note);
  setTimeout(() => note.remove(), 4000);
}

/** Do it; what goes wrong is shown in that element. */
export async function attempt(element, work) {
  element.replaceChildren();
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") element.replaceChildren(trouble(error));
    return undefined;
  }
}
