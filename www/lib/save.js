/*
 * Files for the viewer to keep.
 */

import { all, request } from "./api.js";
import { h } from "./dom.js";

/** Rows of one file, at most. */
const MOST = 100_000;

export function save(name, kind, parts) {
  const address = URL.createObjectURL(new Blob(parts, { type: kind }));
  const link = h("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** A list of the API as CSV, all of its pages. */
export async function saveCsv(name, path, query) {
  const parts = [];
  let cursor = null;
  do {
    const answer = await request("GET", path, { query: { ...query, limit: 1000, cursor }, accept: "text/csv" });
    const text = await answer.text();
    parts.push(parts.length ? withoutTitles(text) : text);
    cursor = nextCursor(answer.headers.get("Link"));
  } while (cursor && parts.length < MOST / 1000);
  save(name, "text/csv", parts);
}

const withoutTitles = (text) => text.slice(text.indexOf("\r\n") + 2);

function nextCursor(link) {
  const next = /<([^>]+)>;\s*rel="?next"?/.exec(link ?? "");
  return next && new URL(next[1], document.baseURI).searchParams.get("cursor");
}

/** A list of the API as lines of JSON. */
export async function saveLines(name, path, query) {
  const items = await all(path, query, MOST);
  save(name, "application/x-ndjson", items.map((item) => `${JSON.stringify(item)}\n`));
}
