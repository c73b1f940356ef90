/*
 * The REST API: every page is made of these calls and no others.
 *
 * Addresses are relative, so that a path prefix of a proxy does not matter.
 */

const BASE = new URL("api/v1/", document.baseURI);

/** The longest that we wait, beyond what a station may take, in ms. */
const PATIENCE = 330_000;

/** What happens to all of them: "up", "down", "unauthorised". */
export const link = new EventTarget();

/** What shows that a change comes from our pages; the API gave it. */
export const guard = { token: null };

/** The API said no; the message is for people. */
export class Refused extends Error {
  constructor(status, body) {
    super(body?.error?.message ?? `HTTP ${status}`);
    this.status = status;
    this.callError = body?.callError;
  }

  /** Whether there is no such thing here at all. */
  get isAbsent() {
    return this.status === 404 || this.status === 501;
  }
}

/** Nobody answered. */
export class Unreachable extends Error {}

/** A name as a segment of a path. */
export const segment = encodeURIComponent;

export function url(path, query = {}) {
  const address = new URL(path, BASE);
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) {
      if (one !== undefined && one !== null && one !== "") address.searchParams.append(name, one);
    }
  }
  return address;
}

/** The answer of the API, whatever it is. */
export async function request(method, path, { body, query, signal, accept = "application/json" } = {}) {
  const headers = { Accept: accept };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (guard.token && method !== "GET") headers["X-CSRF-Token"] = guard.token;
  const response = await reach(url(path, query), {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: signal ?? AbortSignal.timeout(PATIENCE),
  });
  if (response.ok) return response;
  if (response.status === 401) tell("unauthorised");
  throw new Refused(response.status, await response.json().catch(() => null));
}

async function reach(address, options) {
  try {
    const response = await fetch(address, options);
    tell("up");
    return response;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    tell("down");
    throw new Unreachable(error.message);
  }
}

const tell = (what) => link.dispatchEvent(new Event(what));

/** What a call answers, as JSON; null for nothing. */
export async function call(method, path, options) {
  const response = await request(method, path, options);
  return response.status === 204 ? null : response.json();
}

export const get = (path, query, signal) => call("GET", path, { query, signal });

/** All the items of a list, up to a number of them. */
export async function all(path, query = {}, most = 100_000, signal = undefined) {
  const items = [];
  let cursor = null;
  do {
    const page = await get(path, { ...query, limit: Math.min(1000, most), cursor }, signal);
    items.push(...page.items);
    cursor = page.next;
  } while (cursor && items.length < most);
  return items;
}
