-- A small central system: stations, id tags, transactions, meter values,
-- reservations, events, commands.
--
-- Run by `twistd cs --postgres-init`, in one transaction.  Times are UTC;
-- registers are in Wh.  Names of functions are those that the server calls.

-- Tables ---------------------------------------------------------------

CREATE TABLE ocpp.setting (
    name text PRIMARY KEY,
    value text NOT NULL,
    meaning text NOT NULL
);
INSERT INTO ocpp.setting VALUES
    ('unknown_id_tags', 'accept',
     'accept or refuse: what to do with id tags nobody registered'),
    ('heartbeat_interval', '300',
     'how often stations send a Heartbeat, in seconds'),
    ('command_patience', '60',
     'how long a command waits for its station, in seconds'),
    ('meter_value_months', '',
     'how many months meter values are kept; empty for ever'),
    ('event_days', '90', 'how many days events are kept; empty for ever');

CREATE TABLE ocpp.charge_point (
    identity text PRIMARY KEY,
    account text,
    version text,
    connected boolean NOT NULL DEFAULT false,
    changed timestamptz NOT NULL DEFAULT now(),
    metadata jsonb NOT NULL DEFAULT '{}',
    boot jsonb,
    booted timestamptz
);

CREATE TABLE ocpp.connector (
    identity text,
    connector integer,
    status text NOT NULL,
    error_code text NOT NULL,
    details jsonb NOT NULL,
    changed timestamptz NOT NULL,
    PRIMARY KEY (identity, connector)
);

CREATE TABLE ocpp.id_tag (
    id_tag text NOT NULL CHECK (length(id_tag) BETWEEN 1 AND 20),
    status text NOT NULL DEFAULT 'Accepted'
        CHECK (status IN ('Accepted', 'Blocked')),
    expiry timestamptz,
    parent_id_tag text,
    max_active integer CHECK (max_active >= 0),
    note text
);
CREATE UNIQUE INDEX id_tag_once ON ocpp.id_tag (lower(id_tag));

-- closed: Stopped (by the station), Superseded, Closed (by an operator).
-- An id is never given twice, and fits the 31 bits that stations have.
CREATE TABLE ocpp.transaction (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    identity text NOT NULL,
    connector integer NOT NULL,
    id_tag text NOT NULL,
    id_tag_status text NOT NULL,
    meter_start bigint NOT NULL,
    start_time timestamptz NOT NULL,
    start_sent text NOT NULL,
    start_received timestamptz NOT NULL,
    reservation_id integer,
    meter_stop bigint,
    stop_time timestamptz,
    stop_sent text,
    stop_received timestamptz,
    stop_reason text,
    stop_id_tag text,
    closed text,
    closed_at timestamptz,
    close_reason text,
    energy bigint,
    suspect text[] NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX transaction_once ON ocpp.transaction
    (identity, connector, start_sent, lower(id_tag), meter_start);
CREATE INDEX transaction_in_time ON ocpp.transaction
    (identity, connector, start_time);
CREATE INDEX transaction_open ON ocpp.transaction (identity, connector)
    WHERE closed IS NULL;
CREATE INDEX transaction_open_of_tag ON ocpp.transaction (lower(id_tag))
    WHERE closed IS NULL;

-- One row for each meterValue.  A partition a month: forgetting a month is
-- dropping a table.
CREATE TABLE ocpp.meter_value (
    received timestamptz NOT NULL,
    transaction_id integer,
    identity text NOT NULL,
    connector integer NOT NULL,
    time timestamptz NOT NULL,
    register double precision,
    samples jsonb NOT NULL,
    suspect text[]
) PARTITION BY RANGE (received);
CREATE INDEX meter_value_of_transaction
    ON ocpp.meter_value (transaction_id, time)
    WHERE transaction_id IS NOT NULL;
CREATE INDEX meter_value_adrift ON ocpp.meter_value (identity, connector, time)
    WHERE transaction_id IS NULL;
CREATE TABLE ocpp.meter_value_other PARTITION OF ocpp.meter_value DEFAULT;

-- Messages about transactions that no transaction was found for.
CREATE TABLE ocpp.kept_aside (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received timestamptz NOT NULL DEFAULT now(),
    identity text NOT NULL,
    action text NOT NULL,
    reason text NOT NULL,
    payload jsonb NOT NULL
);
CREATE UNIQUE INDEX kept_aside_once ON ocpp.kept_aside
    (identity, action, md5(payload::text));

CREATE TABLE ocpp.reservation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    identity text NOT NULL,
    connector integer NOT NULL,
    reservation_id integer NOT NULL,
    id_tag text NOT NULL,
    parent_id_tag text,
    expiry timestamptz NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    ended timestamptz,
    status text NOT NULL DEFAULT 'Active',
    transaction_id integer
);
CREATE INDEX reservation_of_station ON ocpp.reservation (identity, created);
CREATE UNIQUE INDEX reservation_active ON ocpp.reservation
    (identity, reservation_id) WHERE status = 'Active';

CREATE TABLE ocpp.event (
    time timestamptz NOT NULL DEFAULT now(),
    identity text NOT NULL,
    kind text NOT NULL,
    payload jsonb NOT NULL
);
CREATE INDEX event_of_station ON ocpp.event (identity, time);
CREATE INDEX event_in_time ON ocpp.event USING brin (time);

-- state: Waiting, Taken, Answered, Failed, Expired.
CREATE TABLE ocpp.command (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    identity text NOT NULL,
    action text NOT NULL,
    payload jsonb NOT NULL,
    state text NOT NULL DEFAULT 'Waiting',
    ordered timestamptz NOT NULL DEFAULT now(),
    expires timestamptz NOT NULL,
    taken timestamptz,
    taken_by text,
    ended timestamptz,
    result jsonb
);
CREATE INDEX command_waiting ON ocpp.command (identity, id)
    WHERE state = 'Waiting';
CREATE INDEX command_taken ON ocpp.command (taken_by) WHERE state = 'Taken';

-- Small things -----------------------------------------------------------

CREATE FUNCTION ocpp.setting(p_name text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT value FROM ocpp.setting WHERE name = p_name);
END
$$;

-- A time as stations write it; without a zone it is UTC.  Null where it is
-- none.
CREATE FUNCTION ocpp.to_time(p_text text) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
DECLARE
    parts text[];
BEGIN
    -- As the standard wants it; what follows takes longer.
    IF p_text LIKE '____-__-__T__:__:__%Z' THEN
        RETURN p_text::timestamptz;
    END IF;
    parts := regexp_match(upper(trim(p_text)),
        '^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)'
        '\s*(Z|[+-]\d\d(?::?\d\d)?)?$');
    RETURN (parts[1] || 'T' || replace(parts[2], ',', '.')
        || coalesce(parts[3], 'Z'))::timestamptz;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END
$$;

-- A time, or the day that an operator gives, at its beginning.
CREATE FUNCTION ocpp.to_day_or_time(p_text text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT ocpp.to_time(CASE WHEN length(trim(p_text)) = 10
        THEN trim(p_text) || 'T00:00:00Z' ELSE p_text END)
$$;

-- A time as the standard wants it.
CREATE FUNCTION ocpp.time_text(p_time timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT to_char(p_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- A whole number within bounds, however long it was written.
CREATE FUNCTION ocpp.to_whole(p_value jsonb, p_most numeric DEFAULT 2147483647)
RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(p_value) = 'number' THEN
        trunc(greatest(least(p_value::numeric, p_most), -p_most))::bigint END
$$;

-- A number as stations write it in a text; null where it is none.
CREATE FUNCTION ocpp.to_number(p_text text) RETURNS double precision
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN trim(p_text) ~ '^[+-]?\d{1,15}(\.\d{0,9})?$'
        THEN trim(p_text)::double precision END
$$;

-- Id tags ------------------------------------------------------------------

-- The idTagInfo of an id tag (OCPP 1.6, section 7.2); of a transaction where
-- a station and a connector are given: only there ConcurrentTx has a meaning.
CREATE FUNCTION ocpp.IdTagInfo(
    p_id_tag text, p_identity text DEFAULT NULL, p_connector integer DEFAULT NULL
) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    tag ocpp.id_tag;
    status text;
BEGIN
    SELECT * INTO tag FROM ocpp.id_tag
        WHERE lower(id_tag) = lower(trim(p_id_tag));
    IF NOT FOUND THEN
        RETURN jsonb_build_object('status', CASE ocpp.setting('unknown_id_tags')
            WHEN 'accept' THEN 'Accepted' ELSE 'Invalid' END);
    END IF;
    status := CASE
        WHEN tag.status <> 'Accepted' THEN tag.status
        WHEN tag.expiry <= now() THEN 'Expired'
        ELSE 'Accepted' END;
    IF status = 'Accepted' AND p_identity IS NOT NULL
            AND tag.max_active IS NOT NULL AND tag.max_active <= (
        -- What is open on the same connector ends with the new start.
        SELECT count(*) FROM ocpp.transaction
        WHERE lower(id_tag) = lower(tag.id_tag) AND closed IS NULL
            AND id_tag_status = 'Accepted'
            AND NOT (identity = p_identity AND connector = p_connector)) THEN
        status := 'ConcurrentTx';
    END IF;
    RETURN jsonb_strip_nulls(jsonb_build_object('status', status,
        'expiryDate', ocpp.time_text(tag.expiry),
        'parentIdTag', tag.parent_id_tag));
END
$$;

-- Transactions -----------------------------------------------------------

-- What is wrong with a station's time.
CREATE FUNCTION ocpp.doubt_of_time(p_time timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN p_time IS NULL THEN 'unreadableTime'
        WHEN p_time > now() + interval '5 minutes' THEN 'futureTime'
        WHEN p_time < '2010-01-01Z' THEN 'ancientTime' END
$$;

-- A station's time, or ours where its own cannot be right.
CREATE FUNCTION ocpp.corrected(p_time timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN ocpp.doubt_of_time(p_time) IS NULL
        THEN p_time ELSE now() END
$$;

CREATE FUNCTION ocpp.flag(p_id integer, VARIADIC p_words text[])
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF array_remove(p_words, NULL) <> '{}' THEN
        UPDATE ocpp.transaction SET suspect = ARRAY(
            SELECT DISTINCT word FROM unnest(suspect || p_words) AS word
            WHERE word IS NOT NULL ORDER BY word)
        WHERE id = p_id;
    END IF;
END
$$;

-- Find the energy of a transaction, and what its figures make suspect.
CREATE FUNCTION ocpp.assess(p_id integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    t ocpp.transaction;
    times timestamptz[];
    registers double precision[];
    words text[];
    step double precision;
    register double precision;
    first integer;
    last integer;
    from_zero boolean;
    new_energy bigint;
BEGIN
    SELECT * INTO STRICT t FROM ocpp.transaction WHERE id = p_id;
    -- A bound for the time of receipt leaves most partitions alone.
    SELECT array_agg(c.time), array_agg(c.register) INTO times, registers
        FROM (SELECT m.time, m.register FROM ocpp.meter_value AS m
            WHERE transaction_id = p_id AND m.register IS NOT NULL
                AND received >= t.start_received - interval '1 day'
                AND received < now() + interval '1 day'
            ORDER BY m.time LIMIT 20000) AS c;
    times := t.start_time || times || coalesce(t.stop_time, now());
    registers := t.meter_start::double precision || registers;
    IF t.meter_stop IS NOT NULL THEN
        registers := registers || t.meter_stop::double precision;
    END IF;
    words := t.suspect;
    IF words <> '{}' THEN
        words := ARRAY(SELECT unnest(words) EXCEPT SELECT unnest(ARRAY[
            'runningBackwards', 'implausibleJump', 'zeroBegin',
            'negativeEnergy', 'stopBeforeStart']));
    END IF;
    -- From 0 to 910 kWh at once is no energy: it did not begin at 0.
    FOREACH register IN ARRAY registers LOOP
        EXIT WHEN register > 0;
    END LOOP;
    from_zero := t.meter_start = 0 AND register > 200000;
    IF from_zero THEN
        words := words || 'zeroBegin'::text;
    END IF;
    FOR n IN 1 .. array_length(registers, 1) LOOP
        CONTINUE WHEN from_zero AND registers[n] <= 0;
        step := registers[n] - registers[last];
        IF step < 0 THEN
            words := words || 'runningBackwards'::text;
        ELSIF step > 5000 AND step > 5000 + 1500000 * greatest(
                extract(epoch FROM times[n] - times[last]), 0) / 3600 THEN
            words := words || 'implausibleJump'::text;
        END IF;
        first := coalesce(first, n);
        last := n;
    END LOOP;
    IF t.stop_time < t.start_time THEN
        words := words || 'stopBeforeStart'::text;
    END IF;
    IF first < last THEN
        new_energy := registers[last] - registers[first];
        IF new_energy < 0 THEN
            words := words || 'negativeEnergy'::text;
        END IF;
    END IF;
    UPDATE ocpp.transaction SET energy = new_energy,
        suspect = ARRAY(SELECT DISTINCT unnest(words) ORDER BY 1)
        WHERE id = p_id;
END
$$;

CREATE FUNCTION ocpp.keep_aside(
    p_identity text, p_action text, p_payload jsonb, p_reason text
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ocpp.kept_aside (identity, action, reason, payload)
    VALUES (p_identity, p_action, p_reason, p_payload)
    ON CONFLICT DO NOTHING;
END
$$;

-- The energy register among samples, in Wh.
CREATE FUNCTION ocpp.register_of(p_samples jsonb) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    sample jsonb := jsonb_path_query_first(p_samples, '$[*] ? (
        !exists(@.phase ? (@ != null))
        && !exists(@.measurand ? (@ != "Energy.Active.Import.Register"))
        && !exists(@.format ? (@ != "Raw"))
        && !exists(@.unit ? (@ != "Wh" && @ != "kWh")))');
BEGIN
    RETURN ocpp.to_number(sample->>'value')
        * CASE WHEN sample->>'unit' = 'kWh' THEN 1000 ELSE 1 END;
END
$$;

-- The transaction of a connector at that time.
CREATE FUNCTION ocpp.transaction_at(
    p_identity text, p_connector integer, p_time timestamptz
) RETURNS integer LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT CASE WHEN coalesce(stop_time, closed_at) < p_time
            THEN NULL ELSE id END
        FROM ocpp.transaction
        WHERE identity = p_identity AND connector = p_connector
            AND p_connector > 0 AND start_time <= p_time
        ORDER BY start_time DESC, id DESC LIMIT 1);
END
$$;

-- Keep the meterValues of MeterValues of any stations, [{"identity": "CP1",
-- "payload": {...}}]; each with the transaction that it names, or the one of
-- its connector at its time.  Returns which of those named had ended.
CREATE FUNCTION ocpp.keep_meter_values(p_calls jsonb) RETURNS SETOF integer
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY WITH told AS (
        SELECT call->>'identity' AS identity,
            ocpp.to_whole(call->'payload'->'connectorId')::integer AS place,
            ocpp.to_whole(call->'payload'->'transactionId') AS claimed,
            call->'payload'->'meterValue' AS meter_values
        FROM jsonb_array_elements(p_calls) AS call
    ), found AS MATERIALIZED (
        -- OFFSET 0: one look for each, however large the table will be.
        SELECT told.*, t.id, t.closed FROM told LEFT JOIN LATERAL (
            SELECT x.id, x.closed FROM ocpp.transaction AS x
            WHERE x.id = claimed AND claimed > 0 AND x.identity = told.identity
            OFFSET 0) AS t ON true
    ), kept AS (
        INSERT INTO ocpp.meter_value (received, transaction_id, identity,
            connector, time, register, samples, suspect)
        SELECT now(), coalesce(found.id, ocpp.transaction_at(
                found.identity, place, ocpp.corrected(v.time))),
            found.identity, place, ocpp.corrected(v.time),
            ocpp.register_of(v.samples), v.samples,
            nullif(array_remove(ARRAY[ocpp.doubt_of_time(v.time),
                CASE WHEN claimed > 0 AND found.id IS NULL
                    THEN 'unknownTransaction' END], NULL), '{}')
        FROM found, jsonb_array_elements(meter_values) AS value, LATERAL (
            SELECT ocpp.to_time(value->>'timestamp') AS time,
                coalesce(value->'sampledValue', '[]') AS samples
            OFFSET 0) AS v
    )
    SELECT DISTINCT found.id FROM found WHERE closed IS NOT NULL;
END
$$;

CREATE FUNCTION ocpp.StartTransaction(p_identity text, p_payload jsonb)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    place integer := ocpp.to_whole(p_payload->'connectorId');
    begun bigint := ocpp.to_whole(p_payload->'meterStart', 9e15);
    tag text := trim(p_payload->>'idTag');
    sent text := p_payload->>'timestamp';
    told timestamptz := ocpp.to_time(sent);
    moment timestamptz := ocpp.corrected(told);
    info jsonb := ocpp.IdTagInfo(tag, p_identity, place);
    number integer;
    before ocpp.transaction;
    used integer;
    ended integer;
BEGIN
    -- The same start again is answered the same again.
    SELECT * INTO before FROM ocpp.transaction
        WHERE identity = p_identity AND connector = place
            AND start_sent = sent AND lower(id_tag) = lower(tag)
            AND meter_start = begun;
    IF NOT FOUND THEN
        INSERT INTO ocpp.transaction (identity, connector, id_tag,
            id_tag_status, meter_start, start_time, start_sent,
            start_received, suspect)
        VALUES (p_identity, place, tag, info->>'status', begun, moment, sent,
            now(), array_remove(ARRAY[
                ocpp.doubt_of_time(told),
                CASE WHEN begun < 0 THEN 'negativeRegister' END], NULL))
        ON CONFLICT DO NOTHING RETURNING id INTO number;
        IF number IS NULL THEN
            SELECT * INTO STRICT before FROM ocpp.transaction
                WHERE identity = p_identity AND connector = place
                    AND start_sent = sent AND lower(id_tag) = lower(tag)
                    AND meter_start = begun;
        END IF;
    END IF;
    IF number IS NULL THEN
        IF before.closed = 'Stopped' THEN
            PERFORM ocpp.flag(before.id, 'startedAgain');
        END IF;
        RETURN jsonb_build_object('transactionId', before.id, 'idTagInfo',
            info || jsonb_build_object('status', before.id_tag_status));
    END IF;
    -- To look costs a fraction of an UPDATE that finds nothing.
    IF EXISTS (SELECT FROM ocpp.reservation
            WHERE identity = p_identity AND status = 'Active') THEN
        UPDATE ocpp.reservation SET status = 'Used', ended = now(),
            transaction_id = number
            WHERE id = (SELECT id FROM ocpp.reservation
                WHERE identity = p_identity AND status = 'Active'
                    AND (reservation_id
                            = ocpp.to_whole(p_payload->'reservationId')
                        OR (connector = place AND lower(id_tag) = lower(tag)
                            AND expiry > now()))
                ORDER BY reservation_id = ocpp.to_whole(
                    p_payload->'reservationId') DESC NULLS LAST, id
                LIMIT 1)
            RETURNING reservation_id INTO used;
        IF used IS NOT NULL THEN
            UPDATE ocpp.transaction SET reservation_id = used
                WHERE id = number;
        END IF;
    END IF;
    -- Close what was left open, but not what began later: this may be late.
    FOR ended IN SELECT id FROM ocpp.transaction
            WHERE identity = p_identity AND connector = place
                AND closed IS NULL AND start_time <= moment AND id <> number
            FOR UPDATE LOOP
        UPDATE ocpp.transaction SET closed = 'Superseded',
            closed_at = moment,
            close_reason = format('transaction %s started on the connector',
                number)
            WHERE id = ended;
        PERFORM ocpp.flag(ended, 'superseded');
        PERFORM ocpp.assess(ended);
    END LOOP;
    RETURN jsonb_build_object('transactionId', number, 'idTagInfo', info);
END
$$;

-- Of any stations, as ocpp.keep_meter_values takes them.
CREATE FUNCTION ocpp.MeterValues(p_calls jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    ended integer;
BEGIN
    FOR ended IN SELECT * FROM ocpp.keep_meter_values(p_calls) LOOP
        PERFORM ocpp.assess(ended);
    END LOOP;
    RETURN '{}';
END
$$;

-- Which transaction of the station a StopTransaction means.
CREATE FUNCTION ocpp.find_for_stop(
    p_identity text, p_payload jsonb, OUT number integer, OUT guessed boolean
) LANGUAGE plpgsql AS $$
DECLARE
    claimed integer := ocpp.to_whole(p_payload->'transactionId');
    stop bigint := ocpp.to_whole(p_payload->'meterStop', 9e15);
    tag text := lower(trim(p_payload->>'idTag'));
    told timestamptz := ocpp.to_time(p_payload->>'timestamp');
    moment timestamptz := ocpp.corrected(told);
    fits integer[];
BEGIN
    guessed := false;
    SELECT id INTO number FROM ocpp.transaction
        WHERE id = claimed AND identity = p_identity;
    IF FOUND THEN
        RETURN;
    END IF;
    -- A guess that comes again must not hit another transaction.
    SELECT id INTO number FROM ocpp.transaction
        WHERE identity = p_identity AND meter_stop = stop
            AND stop_sent = p_payload->>'timestamp' LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;
    -- An offline start has -1 or 0; any other number was another's.
    SELECT array_agg(id) INTO fits FROM ocpp.transaction AS t
        WHERE identity = p_identity AND closed IS NULL
            AND start_time <= moment + interval '5 minutes'
            AND meter_start <= stop
            AND (tag IS NULL OR lower(id_tag) = tag OR (claimed <= 0
                AND NOT EXISTS (SELECT FROM ocpp.transaction AS same
                    WHERE same.identity = p_identity AND same.closed IS NULL
                        AND lower(same.id_tag) = tag)));
    IF array_length(fits, 1) = 1 THEN
        number := fits[1];
        guessed := true;
    END IF;
END
$$;

CREATE FUNCTION ocpp.StopTransaction(p_identity text, p_payload jsonb)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb := '{}';
    stop bigint := ocpp.to_whole(p_payload->'meterStop', 9e15);
    sent text := p_payload->>'timestamp';
    told timestamptz := ocpp.to_time(sent);
    moment timestamptz := ocpp.corrected(told);
    number integer;
    guessed boolean;
    t ocpp.transaction;
BEGIN
    IF p_payload ? 'idTag' THEN
        answer := jsonb_build_object('idTagInfo',
            ocpp.IdTagInfo(p_payload->>'idTag'));
    END IF;
    SELECT f.number, f.guessed INTO number, guessed
        FROM ocpp.find_for_stop(p_identity, p_payload) AS f;
    IF number IS NULL THEN
        PERFORM ocpp.keep_aside(p_identity, 'StopTransaction', p_payload,
            'no such transaction of this station');
        RETURN answer;
    END IF;
    SELECT * INTO STRICT t FROM ocpp.transaction WHERE id = number FOR UPDATE;
    IF t.closed = 'Stopped' THEN
        IF (t.meter_stop, t.stop_sent) IS DISTINCT FROM (stop, sent) THEN
            PERFORM ocpp.flag(number, 'stoppedTwice');
            PERFORM ocpp.keep_aside(p_identity, 'StopTransaction', p_payload,
                format('transaction %s was stopped before', number));
        END IF;
        RETURN answer;
    END IF;
    -- "MAY only be omitted when the Reason is Local" (section 6.47).
    UPDATE ocpp.transaction SET meter_stop = stop, stop_time = moment,
        stop_sent = sent, stop_received = now(),
        stop_reason = coalesce(p_payload->>'reason', 'Local'),
        stop_id_tag = p_payload->>'idTag', closed = 'Stopped',
        closed_at = moment
        WHERE id = number;
    PERFORM ocpp.flag(number, ocpp.doubt_of_time(told),
        CASE WHEN guessed THEN 'guessedTransaction' END,
        CASE WHEN t.closed IS NOT NULL THEN 'lateStop' END);
    IF jsonb_typeof(p_payload->'transactionData') = 'array' THEN
        PERFORM ocpp.keep_meter_values(jsonb_build_array(jsonb_build_object(
            'identity', p_identity, 'payload', jsonb_build_object(
                'connectorId', t.connector, 'transactionId', number,
                'meterValue', p_payload->'transactionData'))));
    END IF;
    -- What was measured on the connector in its time is its own.
    IF EXISTS (SELECT FROM ocpp.meter_value AS m
            WHERE m.transaction_id IS NULL AND m.identity = p_identity
                AND m.connector = t.connector AND t.connector > 0
                AND m.time BETWEEN t.start_time AND moment
                AND m.received >= t.start_received - interval '1 day'
                AND m.received < now() + interval '1 day') THEN
        UPDATE ocpp.meter_value AS m SET transaction_id = number
            WHERE m.transaction_id IS NULL AND m.identity = p_identity
                AND m.connector = t.connector
                AND m.time BETWEEN t.start_time AND moment
                AND m.received >= t.start_received - interval '1 day';
    END IF;
    PERFORM ocpp.assess(number);
    RETURN answer;
END
$$;

-- Stations ---------------------------------------------------------------

CREATE FUNCTION ocpp.BootNotification(
    p_identity text, p_payload jsonb, p_account text, p_version text
) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ocpp.charge_point (identity, account, version, boot, booted)
    VALUES (p_identity, p_account, p_version, p_payload, now())
    ON CONFLICT (identity) DO UPDATE SET
        account = coalesce(excluded.account, charge_point.account),
        version = excluded.version,
        boot = excluded.boot,
        booted = excluded.booted;
    RETURN jsonb_build_object('status', 'Accepted',
        'currentTime', ocpp.time_text(now()),
        'interval', ocpp.setting('heartbeat_interval')::integer);
END
$$;

CREATE FUNCTION ocpp.StatusNotification(p_identity text, p_payload jsonb)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    place integer := ocpp.to_whole(p_payload->'connectorId');
BEGIN
    INSERT INTO ocpp.connector AS c VALUES (p_identity, place,
        p_payload->>'status', p_payload->>'errorCode', p_payload, now())
    ON CONFLICT (identity, connector) DO UPDATE SET
        status = excluded.status,
        error_code = excluded.error_code,
        details = excluded.details,
        changed = excluded.changed;
    IF p_payload->>'status' = 'Faulted' THEN
        UPDATE ocpp.reservation SET status = 'Faulted', ended = now()
            WHERE identity = p_identity AND connector = place
                AND status = 'Active';
    END IF;
    RETURN '{}';
END
$$;

CREATE FUNCTION ocpp.note(p_identity text, p_kind text, p_payload jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ocpp.event (identity, kind, payload)
    VALUES (p_identity, p_kind, p_payload);
END
$$;

-- What the server calls -----------------------------------------------------

-- Answer a station's CALL.
CREATE FUNCTION ocpp.Parse(
    p_identity text, p_unique_id text, p_action text, p_payload jsonb,
    p_account text DEFAULT NULL, p_version text DEFAULT '1.6'
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb;
BEGIN
    CASE p_action
    WHEN 'Heartbeat' THEN
        answer := jsonb_build_object('currentTime', ocpp.time_text(now()));
    WHEN 'BootNotification' THEN
        answer := ocpp.BootNotification(
            p_identity, p_payload, p_account, p_version);
    WHEN 'Authorize' THEN
        answer := jsonb_build_object('idTagInfo',
            ocpp.IdTagInfo(p_payload->>'idTag'));
    WHEN 'StatusNotification' THEN
        answer := ocpp.StatusNotification(p_identity, p_payload);
    WHEN 'StartTransaction' THEN
        answer := ocpp.StartTransaction(p_identity, p_payload);
    WHEN 'MeterValues' THEN
        answer := ocpp.MeterValues(jsonb_build_array(jsonb_build_object(
            'identity', p_identity, 'payload', p_payload)));
    WHEN 'StopTransaction' THEN
        answer := ocpp.StopTransaction(p_identity, p_payload);
    WHEN 'DataTransfer' THEN
        PERFORM ocpp.note(p_identity, p_action, p_payload);
        answer := '{"status": "Accepted"}';
    WHEN 'SignCertificate' THEN
        PERFORM ocpp.note(p_identity, p_action, p_payload);
        answer := '{"status": "Rejected"}';
    WHEN 'DiagnosticsStatusNotification', 'FirmwareStatusNotification',
        'LogStatusNotification', 'SecurityEventNotification',
        'SignedFirmwareStatusNotification' THEN
        PERFORM ocpp.note(p_identity, p_action, p_payload);
        answer := '{}';
    ELSE
        RETURN jsonb_build_object('identity', p_identity,
            'messageTypeId', 'CallError', 'uniqueId', p_unique_id,
            'action', p_action, 'errorCode', 'NotImplemented',
            'errorDescription', 'there is no answer to this action',
            'errorDetails', '{}'::jsonb);
    END CASE;
    RETURN jsonb_build_object('identity', p_identity,
        'messageTypeId', 'CallResult', 'uniqueId', p_unique_id,
        'action', p_action, 'payload', answer);
END
$$;

-- Answer the CALLs of several stations in one transaction: all, or none.
CREATE FUNCTION ocpp.ParseMany(p_calls jsonb) RETURNS SETOF jsonb
LANGUAGE plpgsql AS $$
DECLARE
    call jsonb;
    kept jsonb;
BEGIN
    -- All of the most frequent at once: a statement costs more than a row.
    kept := jsonb_build_object('messageTypeId', 'CallResult', 'payload',
        ocpp.MeterValues(jsonb_path_query_array(
            p_calls, '$[*] ? (@.action == "MeterValues")')));
    FOR call IN SELECT jsonb_array_elements(p_calls) LOOP
        IF call->>'action' = 'MeterValues' THEN
            RETURN NEXT kept;
        ELSE
            RETURN NEXT ocpp.Parse(call->>'identity', call->>'uniqueId',
                call->>'action', call->'payload', call->>'account',
                call->>'version');
        END IF;
    END LOOP;
END
$$;

CREATE FUNCTION ocpp.SetChargePointConnected(
    p_identity text, p_connected boolean, p_metadata jsonb DEFAULT '{}'
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ocpp.charge_point (identity, connected, account, version,
        metadata)
    VALUES (p_identity, p_connected, nullif(p_metadata->>'Account', ''),
        p_metadata->>'Version', p_metadata)
    ON CONFLICT (identity) DO UPDATE SET
        connected = excluded.connected,
        account = coalesce(excluded.account, charge_point.account),
        version = coalesce(excluded.version, charge_point.version),
        metadata = CASE WHEN excluded.connected
            THEN excluded.metadata ELSE charge_point.metadata END,
        changed = now();
    RETURN p_connected;
END
$$;

-- A station's CALLRESULT to a command.
CREATE FUNCTION ocpp.CommandAnswered(
    p_identity text, p_action text, p_payload jsonb, p_answer jsonb
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF p_answer->>'status' IS DISTINCT FROM 'Accepted' THEN
        RETURN false;
    END IF;
    IF p_action IN ('ReserveNow', 'CancelReservation') THEN
        UPDATE ocpp.reservation SET status = 'Cancelled', ended = now()
            WHERE identity = p_identity AND status = 'Active'
                AND reservation_id = ocpp.to_whole(p_payload->'reservationId');
    END IF;
    IF p_action = 'ReserveNow' THEN
        INSERT INTO ocpp.reservation (identity, connector, reservation_id,
            id_tag, parent_id_tag, expiry)
        VALUES (p_identity, ocpp.to_whole(p_payload->'connectorId'),
            ocpp.to_whole(p_payload->'reservationId'), p_payload->>'idTag',
            p_payload->>'parentIdTag',
            coalesce(ocpp.to_time(p_payload->>'expiryDate'), now()));
    END IF;
    RETURN true;
END
$$;

-- Lists: one object a row; the caller's token is not looked at.
CREATE FUNCTION ocpp.ChargePointList(p_token text, p_known jsonb DEFAULT '[]')
RETURNS SETOF jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(c.metadata, '{}') || jsonb_build_object(
            'Identity', c.identity, 'Connected', c.connected,
            'Address', c.metadata->>'Address', 'Account', c.account,
            'Connection', CASE WHEN c.connected
                THEN c.metadata->'Connection' END,
            'BootNotification', c.boot)
        || coalesce(k.known, '{}')
    FROM ocpp.charge_point AS c LEFT JOIN (
        SELECT value->>'Identity' AS identity, value AS known
        FROM jsonb_array_elements(p_known)
    ) AS k USING (identity)
    ORDER BY identity
$$;

CREATE FUNCTION ocpp.TransactionList(p_token text, p_asked jsonb)
RETURNS SETOF jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('id', t.id, 'idTag', id_tag,
        'identity', t.identity,
        'serialNumber', boot->>'chargePointSerialNumber',
        'connectorId', connector, 'meterStart', meter_start,
        'meterStop', meter_stop, 'value', energy,
        'reservationId', reservation_id, 'reason', stop_reason,
        'data', NULL, 'dateStart', ocpp.time_text(start_time),
        'dateStop', ocpp.time_text(stop_time))
    FROM ocpp.transaction AS t LEFT JOIN ocpp.charge_point USING (identity)
    WHERE t.identity = p_asked->>'identity'
        AND (p_asked->>'dateFrom' IS NULL
            OR start_time >= ocpp.to_day_or_time(p_asked->>'dateFrom'))
        AND (p_asked->>'dateTo' IS NULL
            OR start_time < ocpp.to_day_or_time(p_asked->>'dateTo'))
    ORDER BY start_time DESC, t.id DESC LIMIT 1000
$$;

CREATE FUNCTION ocpp.ReservationList(p_token text, p_asked jsonb)
RETURNS SETOF jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('id', reservation_id, 'idTag', id_tag,
        'identity', r.identity,
        'serialNumber', boot->>'chargePointSerialNumber',
        'connectorId', connector, 'expiryDate', ocpp.time_text(expiry),
        'dateStart', ocpp.time_text(created),
        'dateStop', ocpp.time_text(ended))
    FROM ocpp.reservation AS r LEFT JOIN ocpp.charge_point USING (identity)
    WHERE r.identity = p_asked->>'identity'
        AND (p_asked->>'dateFrom' IS NULL
            OR created >= ocpp.to_day_or_time(p_asked->>'dateFrom'))
        AND (p_asked->>'dateTo' IS NULL
            OR created < ocpp.to_day_or_time(p_asked->>'dateTo'))
    ORDER BY created DESC, r.id DESC LIMIT 1000
$$;

-- Commands ---------------------------------------------------------------

-- Command a station: `SELECT ocpp.Command('CP1', 'Reset', '{"type": "Soft"}')`
-- The number returned is found again in ocpp.command, and in the payload of
-- NOTIFY ocpp_command_result.
CREATE FUNCTION ocpp.Command(
    p_identity text, p_action text, p_payload jsonb DEFAULT '{}'
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    number bigint;
BEGIN
    INSERT INTO ocpp.command (identity, action, payload, expires)
    VALUES (p_identity, p_action, p_payload,
        now() + ocpp.setting('command_patience')::integer * interval '1 second')
    RETURNING id INTO number;
    PERFORM pg_notify('ocpp_command', json_build_object('id', number,
        'identity', p_identity, 'action', p_action)::text);
    RETURN number;
END
$$;

-- Take what is to be done by these stations; nobody else gets it.  Whoever
-- did not hear the answer asks with the same token again, and gets the same.
CREATE FUNCTION ocpp.TakeCommands(
    p_identities text[], p_most integer, p_token text
) RETURNS SETOF jsonb LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ocpp.command SET state = 'Taken', taken = now(), taken_by = p_token
        WHERE id IN (SELECT id FROM ocpp.command
            WHERE state = 'Waiting' AND identity = ANY (p_identities)
                AND expires > now()
            ORDER BY id LIMIT p_most FOR UPDATE SKIP LOCKED)
        AND NOT EXISTS (SELECT FROM ocpp.command
            WHERE taken_by = p_token AND state = 'Taken');
    RETURN QUERY SELECT jsonb_build_object('id', id, 'identity', identity,
            'action', action, 'payload', payload)
        FROM ocpp.command WHERE taken_by = p_token AND state = 'Taken'
        ORDER BY id;
END
$$;

-- What came of a command: a CallResult, or a CallError.
CREATE FUNCTION ocpp.CommandResult(p_id bigint, p_result jsonb)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ocpp.command SET ended = now(), result = p_result,
        state = CASE p_result->>'messageTypeId'
            WHEN 'CallResult' THEN 'Answered' ELSE 'Failed' END
        WHERE id = p_id AND state IN ('Waiting', 'Taken', 'Expired');
    IF FOUND THEN
        PERFORM pg_notify('ocpp_command_result', p_id::text);
    END IF;
    RETURN FOUND;
END
$$;

-- Housekeeping -----------------------------------------------------------

-- A partition of the meter values for each month that is near.
CREATE FUNCTION ocpp.make_partitions() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    month timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
    name text;
BEGIN
    FOR n IN 0 .. 2 LOOP
        name := 'meter_value_' || to_char(month, 'YYYY_MM');
        IF to_regclass('ocpp.' || name) IS NULL AND NOT EXISTS (
                SELECT FROM ocpp.meter_value_other
                WHERE received >= month AT TIME ZONE 'UTC'
                    AND received < (month + interval '1 month')
                        AT TIME ZONE 'UTC') THEN
            EXECUTE format('CREATE TABLE ocpp.%I PARTITION OF ocpp.meter_value'
                ' FOR VALUES FROM (%L) TO (%L)', name,
                month AT TIME ZONE 'UTC',
                (month + interval '1 month') AT TIME ZONE 'UTC');
        END IF;
        month := month + interval '1 month';
    END LOOP;
END
$$;
SELECT ocpp.make_partitions();

-- Forget meter values older than that many months.
CREATE FUNCTION ocpp.forget_meter_values(p_months integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    oldest timestamp := date_trunc('month', now() AT TIME ZONE 'UTC')
        - p_months * interval '1 month';
    partition text;
    dropped integer := 0;
BEGIN
    FOR partition IN SELECT relname FROM pg_class
            JOIN pg_inherits ON inhrelid = pg_class.oid
            WHERE inhparent = 'ocpp.meter_value'::regclass
                AND relname ~ '^meter_value_\d{4}_\d\d$'
                AND to_date(right(relname, 7), 'YYYY_MM') < oldest LOOP
        EXECUTE format('DROP TABLE ocpp.%I', partition);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

-- Called by the server every minute; does nothing where another server does.
CREATE FUNCTION ocpp.Housekeep() RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('ocpp.Housekeep')) THEN
        RETURN false;
    END IF;
    UPDATE ocpp.command SET state = 'Expired', ended = now(),
        result = jsonb_build_object('messageTypeId', 'CallError',
            'errorCode', CASE state WHEN 'Taken' THEN 'Lost'
                ELSE 'NotConnected' END,
            'errorDescription', 'nobody knows what came of it',
            'errorDetails', '{}'::jsonb)
        WHERE (state = 'Waiting' AND expires <= now())
            OR (state = 'Taken' AND taken < now() - interval '1 hour');
    UPDATE ocpp.reservation SET status = 'Expired', ended = expiry
        WHERE status = 'Active' AND expiry <= now();
    PERFORM ocpp.make_partitions();
    IF ocpp.setting('meter_value_months') <> '' THEN
        PERFORM ocpp.forget_meter_values(
            ocpp.setting('meter_value_months')::integer);
    END IF;
    IF ocpp.setting('event_days') <> '' THEN
        DELETE FROM ocpp.event WHERE time
            < now() - ocpp.setting('event_days')::integer * interval '1 day';
    END IF;
    RETURN true;
END
$$;
