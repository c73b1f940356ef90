/*
 * Files for the viewer to keep.
 */

import { all, request } from "./api.js";
import { h } from "./dom.js";

/** A line of CSV; those within quotes do not end it. */
const ROW = /(?:"[^"]*"|[^"\r])*\r\n/g;

/** Rows of one file, at most. */
const MOST = 100_000;

export function save(name, kind, parts) {
  const address = URL.createObjectURL(new Blob(parts, { type: kind }));
  const link = h("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

export const mentions = (text, sought) => text.toLowerCase().includes(sought.toLowerCase());

/** A list of the API as CSV, all of its pages; of these what mentions something. */
export async function saveCsv(name, path, query, sought = "") {
  const parts = [];
  let cursor = null;
  do {
    const answer = await request("GET", path, { query: { ...query, limit: 1000, cursor }, accept: "text/csv" });
    const text = await answer.text();
    const [titles, ...rows] = text.match(ROW);
    const wanted = rows.filter((row) => mentions(row.replaceAll('""', '"'), sought));
    parts.push([...(parts.length ? [] : [titles]), ...wanted].join(""));
    cursor = nextCursor(answer.headers.get("Link"));
  } while (cursor && parts.length < MOST / 1000);
  save(name, "text/csv", parts);
}

function nextCursor(link) {
  const next = /<([^>]+)>;\s*rel="?next"?/.exec(link ?? "");
  return next && new URL(next[1], document.baseURI).searchParams.get("cursor");
}

/** The same as lines of JSON; sought(item) tells whether it is wanted. */
export async function saveLines(name, path, query, sought) {
  const items = await all(path, query, MOST);
  save(name, "application/x-ndjson", items.filter(sought).map((item) => `${JSON.stringify(item)}\n`));
}
