/*
 * Who looks at this, and what they may.
 */

import { get } from "./api.js";

const ROLES = ["viewer", "operator", "admin"];

/** {name, role} of who is signed in; everything may be done where nobody must sign in. */
export const who = { name: null, role: "admin" };

/** Whether the one who looks has at least that role. */
export const may = (role) => ROLES.indexOf(who.role) >= ROLES.indexOf(role);
