/*
 * Who looks at this, and what they may.
 */

import { call, guard } from "./api.js";

const ROLES = ["viewer", "operator", "admin"];

/** Everything may be done where nobody must sign in; role is null before that. */
export const who = { name: null, role: "admin", via: "" };

/** Hears "changed". */
export const watch = new EventTarget();

/** Whether the one who looks has at least that role. */
export const may = (role) => ROLES.indexOf(who.role) >= ROLES.indexOf(role);

function become({ name, role, via = "", csrfToken }) {
  Object.assign(who, { name, role, via });
  guard.token = csrfToken;
  watch.dispatchEvent(new Event("changed"));
}

/** Ask who we are. */
export async function recall() {
  try {
    become(await call("GET", "session"));
  } catch (error) {
    if (error.status === 401) become({ name: null, role: null });
  }
}

export async function signIn(username, password) {
  become(await call("POST", "session", { body: { username, password } }));
}

export async function signOut() {
  await call("DELETE", "session");
  become({ name: null, role: null });
}
