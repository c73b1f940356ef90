/*
 * What happens, as it happens: by Server-Sent Events, and where they are not
 * to be had by asking again and again.
 *
 * All of a page share one stream: browsers allow only six connections to a
 * place. For the same reason there is none while the page is hidden.
 */

import { get, url } from "./api.js";

/** How long until a stream that was refused is tried again, in ms. */
const AGAIN = 30_000;

/** How long a stream may take to open before we look without it, in ms. */
const OPENING = 1500;

const listeners = new Set();
const stream = { source: undefined, address: "", retry: undefined };

/**
 * Follow events, until the signal says stop.
 *
 * filter: {type: [...], identity}; without types there are no events to hear.
 * seen({type, ...}) hears each. tick() is to look afresh: first of all, when
 * events may have been missed, and every so many ms while there are none.
 */
export function follow(filter, { seen = () => {}, tick = () => {}, every = 5000 }, signal) {
  const listener = { filter, seen, tick };
  listeners.add(listener);
  let timer = setTimeout(look, filter.type ? OPENING : 0);
  function look() {
    timer = setTimeout(look, every);
    if (!document.hidden && !(filter.type && isOpen())) tick();
  }
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    listeners.delete(listener);
    soon();
  });
  soon();
}

const isOpen = () => stream.source?.readyState === EventSource.OPEN;

let planned = false;

/** What is listened to has changed; more of it may have in this turn. */
function soon() {
  if (planned) return;
  planned = true;
  setTimeout(() => {
    planned = false;
    arrange();
  }, 0);
}

document.addEventListener("visibilitychange", soon);

// A page that browsers keep to go back to would keep its connection, too.
window.addEventListener("pagehide", () => {
  close();
  stream.address = "";
});
window.addEventListener("pageshow", ({ persisted }) => persisted && soon());

/** Have the stream that is needed, or none. */
function arrange() {
  const hearing = document.hidden ? [] : [...listeners].filter(({ filter }) => filter.type);
  const address = hearing.length ? url("events", together(hearing)).href : "";
  if (address === stream.address) {
    if (isOpen()) tickAll();
    return;
  }
  close();
  stream.address = address;
  if (address) open(address);
}

function together(hearing) {
  const identities = hearing.map(({ filter }) => filter.identity);
  return {
    type: [...new Set(hearing.flatMap(({ filter }) => filter.type))].sort(),
    identity: identities.includes(undefined) ? [] : [...new Set(identities)],
  };
}

function close() {
  stream.source?.close();
  clearTimeout(stream.retry);
  stream.source = undefined;
}

function open(address) {
  const source = new EventSource(address);
  stream.source = source;
  for (const name of new URL(address).searchParams.getAll("type")) {
    source.addEventListener(name, (event) => hear(name, event));
  }
  source.addEventListener("gap", tickAll);
  source.onopen = tickAll;
  source.onerror = () => {
    get("ping").catch(() => {}); // tells whether the server is lost, too
    if (source.readyState !== EventSource.CLOSED) return;
    tickAll();
    stream.retry = setTimeout(() => open(address), AGAIN);
  };
}

function tickAll() {
  for (const { filter, tick } of [...listeners]) {
    if (filter.type) tick();
  }
}

function hear(type, event) {
  const said = { type, ...JSON.parse(event.data) };
  for (const { filter, seen } of [...listeners]) {
    const isWanted = filter.type?.includes(type) && (filter.identity === undefined || filter.identity === said.identity);
    if (isWanted) seen(said);
  }
}
