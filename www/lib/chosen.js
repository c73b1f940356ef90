/*
 * The stations that were chosen on one page, for another.
 */

export const chosen = { identities: [], version: "1.6" };
