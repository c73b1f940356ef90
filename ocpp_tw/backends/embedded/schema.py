"""
The tables of the embedded backend, and what is written to them in bulk.

Times are milliseconds since 1970, UTC, as corrected; what the station wrote
stands beside them.  Registers are in Wh.
"""

from __future__ import annotations

from ...database import Bulk


_FIRST = """
CREATE TABLE id_tags (
    id_tag TEXT PRIMARY KEY COLLATE NOCASE,
    status TEXT NOT NULL,
    expiry INTEGER,
    parent_id_tag TEXT COLLATE NOCASE,
    max_active INTEGER,
    note TEXT
) WITHOUT ROWID;

-- closed: Stopped (by the station), Superseded, Closed (by an operator).
-- An id is never given twice, and fits the 31 bits that stations have.
CREATE TABLE transactions (
    id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id <= 2147483647),
    identity TEXT NOT NULL,
    connector INTEGER NOT NULL,
    id_tag TEXT NOT NULL COLLATE NOCASE,
    id_tag_status TEXT NOT NULL,
    meter_start INTEGER NOT NULL,
    start_time INTEGER NOT NULL,
    start_sent TEXT NOT NULL,
    start_received INTEGER NOT NULL,
    reservation_id INTEGER,
    meter_stop INTEGER,
    stop_time INTEGER,
    stop_sent TEXT,
    stop_received INTEGER,
    stop_reason TEXT,
    stop_id_tag TEXT,
    closed TEXT,
    closed_at INTEGER,
    close_reason TEXT,
    energy INTEGER,
    suspect TEXT NOT NULL DEFAULT '[]'
);
CREATE UNIQUE INDEX transactions_once ON transactions
    (identity, connector, start_sent, id_tag, meter_start);
CREATE INDEX transactions_in_time ON transactions
    (identity, connector, start_time);
CREATE INDEX transactions_of_station ON transactions (identity);
CREATE INDEX transactions_of_tag ON transactions (id_tag);
CREATE INDEX transactions_open ON transactions (identity, connector)
    WHERE closed IS NULL;
CREATE INDEX transactions_open_of_tag ON transactions (id_tag)
    WHERE closed IS NULL;
CREATE INDEX transactions_suspect ON transactions (id)
    WHERE suspect <> '[]';

-- One row for each meterValue: its sampledValues as they were sent, and its
-- energy register, in Wh, for the rules.  suspect: {"0": "future", ...}.
CREATE TABLE readings (
    id INTEGER PRIMARY KEY,
    transaction_id INTEGER,
    identity TEXT NOT NULL,
    connector INTEGER NOT NULL,
    time INTEGER NOT NULL,
    sent TEXT NOT NULL,
    received INTEGER NOT NULL,
    register REAL,
    samples TEXT NOT NULL,
    suspect TEXT
);
CREATE INDEX readings_of_transaction ON readings (transaction_id, time)
    WHERE transaction_id IS NOT NULL;
CREATE INDEX readings_adrift ON readings (identity, connector, time)
    WHERE transaction_id IS NULL;

-- One row for each sample, for those who ask in SQL.
CREATE VIEW samples AS SELECT
    readings.id AS reading_id,
    sample.key AS position,
    transaction_id,
    identity,
    connector,
    time,
    json_extract(sample.value, '$.value') AS value,
    CAST(trim(json_extract(sample.value, '$.value')) AS REAL) * CASE
        WHEN json_extract(sample.value, '$.unit')
            IN ('kWh', 'kvarh', 'kW', 'kVA', 'kvar') THEN 1000
        ELSE 1 END AS number,
    coalesce(json_extract(sample.value, '$.measurand'),
        'Energy.Active.Import.Register') AS measurand,
    json_extract(sample.value, '$.phase') AS phase,
    json_extract(sample.value, '$.unit') AS unit,
    coalesce(json_extract(sample.value, '$.context'),
        'Sample.Periodic') AS context,
    coalesce(json_extract(sample.value, '$.location'), 'Outlet') AS location,
    coalesce(json_extract(sample.value, '$.format'), 'Raw') AS format,
    json_extract(suspect, '$."' || sample.key || '"') AS suspect
FROM readings, json_each(readings.samples) AS sample;

-- Messages about transactions that no transaction was found for.
CREATE TABLE kept_aside (
    id INTEGER PRIMARY KEY,
    received INTEGER NOT NULL,
    identity TEXT NOT NULL,
    action TEXT NOT NULL,
    transaction_id INTEGER,
    reason TEXT NOT NULL,
    payload TEXT NOT NULL,
    digest BLOB NOT NULL,
    UNIQUE (identity, digest)
);
CREATE INDEX kept_aside_for ON kept_aside (transaction_id);

CREATE TABLE reservations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    identity TEXT NOT NULL,
    connector INTEGER NOT NULL,
    reservation_id INTEGER NOT NULL,
    id_tag TEXT NOT NULL COLLATE NOCASE,
    parent_id_tag TEXT COLLATE NOCASE,
    expiry INTEGER NOT NULL,
    created INTEGER NOT NULL,
    ended INTEGER,
    status TEXT NOT NULL,
    transaction_id INTEGER
);
CREATE INDEX reservations_of_station ON reservations (identity);
CREATE INDEX reservations_active ON reservations (identity, reservation_id)
    WHERE status = 'Active';

CREATE TABLE charging_profiles (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    identity TEXT NOT NULL,
    connector INTEGER NOT NULL,
    profile_id INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    stack_level INTEGER NOT NULL,
    installed INTEGER NOT NULL,
    profile TEXT NOT NULL
);
CREATE INDEX charging_profiles_of_station ON charging_profiles (identity);

CREATE TABLE local_lists (
    identity TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    updated INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    identity TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL
);
CREATE INDEX events_of_station ON events (identity);
"""

#: See L{ocpp_tw.database.Database}.
MIGRATIONS = [_FIRST]

READINGS = Bulk(
    "INSERT INTO readings (transaction_id, identity, connector, time, sent,"
    " received, register, samples, suspect)",
    9,
)

EVENTS = Bulk("INSERT INTO events (time, identity, kind, payload)", 4)
