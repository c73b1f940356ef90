/*
 * The stations, the address they connect to, and who was refused of late.
 *
 * What a station says of itself is text: it is only ever set as textContent.
 */

const EVERY = 5000; // ms
const MOST = 200;
const ATTEMPTS = 10;

const at = (id) => document.getElementById(id);

async function get(path) {
  const response = await fetch(`api/v1/${path}`, {
    headers: { Accept: "application/json" },
    signal: AbortSignal.timeout(6 * EVERY),
  });
  const body = await response.json();
  if (!response.ok) throw new Error(body.error?.message ?? response.statusText);
  return body;
}

function cell(text, className = "") {
  const td = document.createElement("td");
  td.textContent = text ?? "";
  td.className = className;
  return td;
}

function fill(section, rows) {
  const trs = rows.map((cells) => {
    const tr = document.createElement("tr");
    tr.append(...cells);
    return tr;
  });
  at(section).querySelector("tbody").replaceChildren(...trs);
  at(section).hidden = !rows.length;
}

const local = (time) => (time ? new Date(time).toLocaleString() : "");

function state(station) {
  if (station.connected) return cell("connected", "connected");
  const why = station.disconnectReason;
  return cell(why ? `not connected: ${why}` : "not connected", "gone");
}

function connectors({ connectors = [] }) {
  const said = ({ connectorId, status, errorCode }) =>
    `${connectorId}: ${status}` +
    (errorCode && errorCode !== "NoError" ? ` (${errorCode})` : "");
  return cell(connectors.map(said).join(", "));
}

function model({ bootNotification: boot }) {
  return cell([boot?.chargePointVendor, boot?.chargePointModel].filter(Boolean).join(" "));
}

function showStations({ items, next }) {
  fill("stations", items.map((station) => [
    cell(station.identity),
    state(station),
    connectors(station),
    model(station),
    cell(station.version),
    cell(local(station.lastSeen)),
  ]));
  at("more").hidden = !next;
  at("connect").hidden = items.length > 0;
  const connected = items.filter((station) => station.connected).length;
  return items.length
    ? `${connected} of ${items.length}${next ? "+" : ""} connected`
    : "No station has connected yet";
}

function showAttempts({ items }) {
  fill("attempts", items.map((attempt) => [
    cell(local(attempt.time)),
    cell(attempt.address),
    cell(attempt.path),
    cell(attempt.reason),
    cell(attempt.remedy),
  ]));
}

function showAddress() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const prefix = `${scheme}://${location.host}/ocpp/`;
  at("address").textContent = `${prefix}CP1`;
  at("prefix").textContent = prefix;
  at("loopback").hidden = !/^(localhost|127\.|\[::1\])/.test(location.hostname);
}

function say(text, className = "") {
  at("state").textContent = text;
  at("state").className = className;
}

async function refresh() {
  try {
    const [stations, attempts] = await Promise.all([
      get(`stations?limit=${MOST}`),
      get(`connectionAttempts?limit=${ATTEMPTS}`),
    ]);
    showAttempts(attempts);
    say(showStations(stations));
  } catch (error) {
    say(`The central system does not answer: ${error.message}`, "trouble");
  }
  setTimeout(refresh, EVERY);
}

showAddress();
refresh();
