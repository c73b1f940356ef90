/*
 * The official JSON Schemas of what can be asked of a station, and the ways
 * of JSON Schema to say one thing.
 */

import { get, segment } from "./api.js";

const known = new Map();

/** {actions: [...]} that a station of that version may be asked. */
export const actionsOf = (version) => once(`schemas/${segment(version)}`);

/** {request, response} of one action. */
export const schemaOf = (version, action) => once(`schemas/${segment(version)}/${segment(action)}`);

function once(path) {
  if (!known.has(path)) {
    const asked = get(path);
    asked.catch(() => known.delete(path));
    known.set(path, asked);
  }
  return known.get(path);
}

/** A schema with what it refers to in its place. */
export function resolve(schema, root) {
  if (!schema?.$ref) return schema ?? {};
  const found = schema.$ref.replace(/^#\//, "").split("/").reduce((at, step) => at?.[step], root);
  return { ...resolve(found, root), ...(schema.description ? { description: schema.description } : {}) };
}

/** What 1.6 calls its groups of operations (section 3.3 of the standard). */
const GROUPS = {
  "Charging": ["RemoteStartTransaction", "RemoteStopTransaction", "RequestStartTransaction", "RequestStopTransaction", "UnlockConnector", "ChangeAvailability", "Reset", "ClearCache", "DataTransfer", "GetTransactionStatus", "CostUpdated"],
  "Configuration": ["GetConfiguration", "ChangeConfiguration", "GetVariables", "SetVariables", "GetBaseReport", "GetReport", "SetNetworkProfile"],
  "Triggers": ["TriggerMessage", "ExtendedTriggerMessage"],
  "Smart charging": ["SetChargingProfile", "ClearChargingProfile", "GetCompositeSchedule", "GetChargingProfiles"],
  "Reservation": ["ReserveNow", "CancelReservation"],
  "Local list": ["SendLocalList", "GetLocalListVersion"],
  "Firmware and logs": ["UpdateFirmware", "SignedUpdateFirmware", "GetDiagnostics", "GetLog"],
  "Certificates": ["CertificateSigned", "DeleteCertificate", "GetInstalledCertificateIds", "InstallCertificate"],
};

/** [[group, [action, ...]], ...]; what is in no group is last. */
export function grouped(actions) {
  const left = new Set(actions);
  const groups = Object.entries(GROUPS).map(([name, members]) =>
    [name, members.filter((action) => left.delete(action))]);
  return [...groups, ["More", [...left].sort()]].filter(([, members]) => members.length);
}
