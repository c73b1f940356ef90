/*
 * What to fill in where nothing better is known: something that makes sense
 * for this station, now.
 */

import { get } from "../../lib/api.js";
import { resolve } from "../../lib/schemas.js";

/** A payload with all that is required. */
export async function exampleOf(action, schema, station, signal) {
  const [active, latest] = await Promise.all([
    newest({ identity: station.identity, active: "true" }, signal),
    newest({ identity: station.identity }, signal),
  ]);
  const known = {
    ...examples(),
    connectorId: action === "ReserveNow" || action === "UnlockConnector" ? 1 : active?.connectorId ?? 1,
    transactionId: active?.transactionId ?? latest?.transactionId ?? 1,
    idTag: latest?.idTag ?? "TAG1",
    ...OF_ACTION[action],
  };
  return objectOf(schema, schema, known, new Set(Object.keys(OF_ACTION[action] ?? {})));
}

async function newest(query, signal) {
  const { items } = await get("transactions", { ...query, limit: 1 }, signal).catch(() => ({ items: [] }));
  return items[0];
}

const inHours = (hours) => new Date(Date.now() + hours * 3_600_000).toISOString();

const examples = () => ({
  evseId: 1,
  reservationId: 1,
  id: 1,
  requestId: 1,
  remoteStartId: 1,
  listVersion: 1,
  chargingProfileId: 1,
  stackLevel: 0,
  startPeriod: 0,
  limit: 16,
  chargingRateUnit: "A",
  chargingProfilePurpose: "TxDefaultProfile",
  chargingProfileKind: "Relative",
  duration: 3600,
  vendorId: "com.example",
  location: "https://example.com/files/",
  remoteLocation: "https://example.com/files/",
  key: "HeartbeatInterval",
  value: "300",
  expiryDate: inHours(1),
  expiryDateTime: inHours(1),
  retrieveDate: inHours(0.05),
  retrieveDateTime: inHours(0.05),
});

/** What is worth saying although it may be left out. */
const OF_ACTION = {
  RemoteStartTransaction: { connectorId: 1 },
  TriggerMessage: { requestedMessage: "StatusNotification" },
};

function objectOf(schema, root, known, also) {
  const members = Object.entries(schema.properties ?? {});
  const required = new Set(schema.required ?? []);
  return Object.fromEntries(members
    .filter(([name]) => required.has(name) || also.has(name))
    .map(([name, member]) => [name, valueOf(name, resolve(member, root), root, known)])
    .filter(([, value]) => value !== undefined));
}

function valueOf(name, schema, root, known) {
  if (schema.type === "object") return objectOf(schema, root, known, new Set());
  if (schema.type === "array") return [valueOf(name, resolve(schema.items, root), root, known)].filter((one) => one !== undefined);
  if (name in known && (!schema.enum || schema.enum.includes(known[name])) && fits(known[name], schema.type)) return known[name];
  return schema.enum?.[0];
}

const fits = (value, type) => (type === "string" ? typeof value === "string" : type === "integer" || type === "number" ? typeof value === "number" : true);
