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
    ('event_days', '90',
     'how many days events, and commands that ended, are kept; empty for ever');

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
-- dropping a table.  suspect: {"0": "futureTime"}, by position of the sample.
CREATE SEQUENCE ocpp.meter_value_id;
CREATE TABLE ocpp.meter_value (
    id bigint NOT NULL DEFAULT nextval('ocpp.meter_value_id'),
    received timestamptz NOT NULL,
    transaction_id integer,
    identity text NOT NULL,
    connector integer NOT NULL,
    time timestamptz NOT NULL,
    sent text NOT NULL,
    register double precision,
    samples jsonb NOT NULL,
    suspect jsonb
) PARTITION BY RANGE (received);
CREATE INDEX meter_value_of_transaction
    ON ocpp.meter_value (transaction_id, time, id)
    WHERE transaction_id IS NOT NULL;
CREATE INDEX meter_value_adrift ON ocpp.meter_value (identity, connector, time)
    WHERE transaction_id IS NULL;
CREATE TABLE ocpp.meter_value_other PARTITION OF ocpp.meter_value DEFAULT;

-- Messages about transactions that no transaction was found for.
-- transaction_id: the one that they name, or the one they came too late for.
CREATE TABLE ocpp.kept_aside (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received timestamptz NOT NULL DEFAULT now(),
    identity text NOT NULL,
    action text NOT NULL,
    transaction_id integer,
    reason text NOT NULL,
    payload jsonb NOT NULL
);
CREATE UNIQUE INDEX kept_aside_once ON ocpp.kept_aside
    (identity, action, md5(payload::text));
CREATE INDEX kept_aside_for ON ocpp.kept_aside (transaction_id);

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
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
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
CREATE INDEX command_ended ON ocpp.command (ended) WHERE ended IS NOT NULL;

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

-- What a register shows at most; JSON's numbers are safe up to there.
CREATE FUNCTION ocpp.most() RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT 9007199254740992
$$;

-- A register of a transaction, in Wh.
CREATE FUNCTION ocpp.to_register(p_value jsonb) RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT ocpp.to_whole(p_value, ocpp.most())
$$;

-- A number as stations write it in a text; null where it is none.
CREATE FUNCTION ocpp.to_number(p_text text) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    written text := trim(p_text);
    number numeric;
BEGIN
    IF written ~ '^-?\d{1,15}(\.\d{1,9})?$' THEN
        RETURN written::numeric;
    END IF;
    -- What follows takes longer.
    IF length(written) > 400
            OR written !~* '^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$' THEN
        RETURN NULL;
    END IF;
    number := written::numeric;
    RETURN CASE WHEN abs(number) < 1e-300 THEN 0
        WHEN abs(number) < 1.8e308 THEN number END;
END
$$;

-- What a value in that unit is multiplied with, for Wh, W and their like.
CREATE FUNCTION ocpp.scale(p_unit text) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_unit IN ('kWh', 'kvarh', 'kW', 'kVA', 'kvar')
        THEN 1000 ELSE 1 END
$$;

CREATE FUNCTION ocpp.measurand_of(p_sample jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(p_sample->>'measurand', 'Energy.Active.Import.Register')
$$;

-- What is wrong with a sample by itself.
CREATE FUNCTION ocpp.doubt_of_sample(p_sample jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    number numeric := ocpp.to_number(p_sample->>'value');
BEGIN
    IF p_sample->>'format' = 'SignedData' THEN
        RETURN NULL;
    END IF;
    IF number IS NULL THEN
        RETURN 'notANumber';
    END IF;
    number := number * ocpp.scale(p_sample->>'unit');
    RETURN CASE
        WHEN ocpp.measurand_of(p_sample) <> 'Energy.Active.Import.Register'
            THEN NULL
        WHEN number < 0 THEN 'negativeRegister'
        WHEN number > ocpp.most() THEN 'outOfRange' END;
END
$$;

-- One row for each sample, with the defaults of the standard (section 7.43).
CREATE VIEW ocpp.sample AS SELECT
    m.id AS meter_value_id,
    s.ordinality - 1 AS position,
    transaction_id,
    identity,
    connector,
    time,
    s.value->>'value' AS value,
    ocpp.to_number(s.value->>'value') * ocpp.scale(s.value->>'unit') AS number,
    ocpp.measurand_of(s.value) AS measurand,
    s.value->>'phase' AS phase,
    coalesce(s.value->>'unit', CASE WHEN ocpp.measurand_of(s.value)
        LIKE 'Energy.%' THEN 'Wh' END) AS unit,
    coalesce(s.value->>'context', 'Sample.Periodic') AS context,
    coalesce(s.value->>'location', 'Outlet') AS location,
    coalesce(s.value->>'format', 'Raw') AS format,
    coalesce(ocpp.doubt_of_sample(s.value),
        m.suspect->>(s.ordinality - 1)::text) AS suspect
FROM ocpp.meter_value AS m,
    jsonb_array_elements(m.samples) WITH ORDINALITY AS s;

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

-- What is wrong with a register that grew by so many Wh in that time: no
-- vehicle takes 1.5 MW.
CREATE FUNCTION ocpp.doubt_of_step(
    p_energy double precision, p_time interval
) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN p_energy < 0 THEN 'runningBackwards'
        -- The first condition is quick, and hardly ever true.
        WHEN p_energy > 5000 AND p_energy > 5000 + 1500000
            * greatest(extract(epoch FROM p_time), 0) / 3600
            THEN 'implausibleJump' END
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
    word text;
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
            ORDER BY m.time, m.id LIMIT 20000) AS c;
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
        word := ocpp.doubt_of_step(
            registers[n] - registers[last], times[n] - times[last]);
        IF word IS NOT NULL THEN
            words := words || word;
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

-- Keep a StopTransaction that fits no transaction; once, however often it
-- comes.  Whether this was the first time.
CREATE FUNCTION ocpp.keep_aside(
    p_identity text, p_payload jsonb, p_id integer, p_reason text
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ocpp.kept_aside (identity, action, transaction_id, reason,
        payload)
    VALUES (p_identity, 'StopTransaction', p_id, p_reason, p_payload)
    ON CONFLICT DO NOTHING;
    RETURN FOUND;
END
$$;

-- The energy register among samples, in Wh, and its position: the register of
-- all phases, at the outlet.
CREATE FUNCTION ocpp.register_of(
    p_samples jsonb, OUT register double precision, OUT place integer
) LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    sample jsonb;
    number numeric;
BEGIN
    FOR n IN 0 .. jsonb_array_length(p_samples) - 1 LOOP
        sample := p_samples->n;
        IF ocpp.measurand_of(sample) = 'Energy.Active.Import.Register'
                AND NOT sample ? 'phase'
                AND coalesce(sample->>'location', 'Outlet') = 'Outlet'
                AND coalesce(sample->>'format', 'Raw') <> 'SignedData' THEN
            number := ocpp.to_number(sample->>'value')
                * ocpp.scale(sample->>'unit');
            IF abs(number) <= ocpp.most() THEN
                register := number;
                place := n;
                RETURN;
            END IF;
        END IF;
    END LOOP;
    place := 0;
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

-- Keep the meterValues of MeterValues, [{"identity": "CP1", "payload": {...}}]
-- of any stations, each with the transaction that it names, or the one of its
-- connector at its time.
CREATE FUNCTION ocpp.keep_meter_values(p_calls jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    nth jsonb;
    kept record;
    ended integer[] := '{}';
    number integer;
BEGIN
    -- The first of each message at once, then the second, and so on: one is
    -- weighed after those before it.
    FOR nth IN SELECT jsonb_agg(jsonb_build_object(
                'identity', identity, 'place', place, 'claimed', claimed,
                'value', v.value))
            FROM (SELECT call->'identity' AS identity,
                    call->'payload'->'connectorId' AS place,
                    call->'payload'->'transactionId' AS claimed,
                    call->'payload'->'meterValue' AS meter_values
                FROM jsonb_array_elements(p_calls) AS call OFFSET 0) AS told,
                jsonb_array_elements(meter_values)
                    WITH ORDINALITY AS v(value, n)
            GROUP BY v.n ORDER BY v.n LOOP
        FOR kept IN SELECT * FROM ocpp.keep_some_meter_values(nth) LOOP
            IF kept.is_closed THEN
                ended := array_remove(ended, kept.id) || kept.id;
            ELSE
                PERFORM ocpp.flag(kept.id, kept.word);
            END IF;
        END LOOP;
    END LOOP;
    FOREACH number IN ARRAY ended LOOP
        PERFORM ocpp.assess(number);
    END LOOP;
END
$$;

-- Keep meterValues of as many stations, [{"identity": "CP1", "place": 1,
-- "claimed": 7, "value": {...}}].  Returns the transactions that had ended,
-- and those whose register is suspect.
--
-- One statement, whose plan finds each row by an index (that is what OFFSET 0
-- is for): a statement costs more than a row.
CREATE FUNCTION ocpp.keep_some_meter_values(p_values jsonb)
RETURNS TABLE (id integer, is_closed boolean, word text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY WITH told AS (
        SELECT item->>'identity' AS identity,
            ocpp.to_whole(item->'place')::integer AS place,
            ocpp.to_whole(item->'claimed') AS claimed,
            item->'value' AS value
        FROM jsonb_array_elements(p_values) AS item
        OFFSET 0
    ), dated AS (
        SELECT *, ocpp.doubt_of_time(told_time) AS doubt,
            ocpp.corrected(told_time) AS moment
        FROM (SELECT *, ocpp.to_time(value->>'timestamp') AS told_time,
                coalesce(value->'sampledValue', '[]') AS samples
            FROM told OFFSET 0) AS x
    ), weighed AS MATERIALIZED (
        SELECT d.*, named.id AS named, t.id AS number, t.closed, r.register,
            r.place AS at,
            -- What comes late is weighed in its place at the stop.
            CASE WHEN t.closed IS NULL
                AND d.moment >= coalesce(last.time, t.start_time)
                THEN ocpp.doubt_of_step(
                    r.register - coalesce(last.register, t.meter_start),
                    d.moment - coalesce(last.time, t.start_time)) END AS word
        FROM dated AS d
        CROSS JOIN LATERAL ocpp.register_of(d.samples) AS r
        LEFT JOIN LATERAL (
            SELECT x.id, x.identity FROM ocpp.transaction AS x
            WHERE x.id = d.claimed
            OFFSET 0) AS named ON named.identity = d.identity
        LEFT JOIN LATERAL (
            SELECT * FROM ocpp.transaction AS x
            WHERE x.id = coalesce(named.id, ocpp.transaction_at(
                d.identity, d.place, d.moment))
            OFFSET 0) AS t ON true
        LEFT JOIN LATERAL (
            SELECT m.time, m.register FROM ocpp.meter_value AS m
            WHERE m.transaction_id = t.id AND m.register IS NOT NULL
                AND t.closed IS NULL
                AND m.received >= t.start_received - interval '1 day'
                AND m.received < now() + interval '1 day'
            ORDER BY m.time DESC, m.id DESC LIMIT 1) AS last ON true
    ), kept AS (
        INSERT INTO ocpp.meter_value (received, transaction_id, identity,
            connector, time, sent, register, samples, suspect)
        SELECT now(), number, identity, place, moment,
            coalesce(value->>'timestamp', ''), register, samples,
            CASE WHEN claimed > 0 AND named IS NULL
                THEN ocpp.suspects(samples, doubt, at, 'unknownTransaction')
                WHEN doubt IS NOT NULL OR word IS NOT NULL
                THEN ocpp.suspects(samples, doubt, at, word) END
        FROM weighed
    )
    SELECT number, closed IS NOT NULL, word FROM weighed
        WHERE number IS NOT NULL AND (closed IS NOT NULL OR word IS NOT NULL);
END
$$;

-- What is suspect about samples, by position: the time of all of them, or a
-- word about one.
CREATE FUNCTION ocpp.suspects(
    p_samples jsonb, p_doubt text, p_place integer, p_word text
) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_word IS NULL THEN '{}'
            ELSE jsonb_build_object(p_place::text, p_word) END
        || coalesce((SELECT jsonb_object_agg(place, p_doubt)
            FROM generate_series(0, jsonb_array_length(p_samples) - 1) AS place
            WHERE p_doubt IS NOT NULL), '{}')
$$;

CREATE FUNCTION ocpp.StartTransaction(p_identity text, p_payload jsonb)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    place integer := ocpp.to_whole(p_payload->'connectorId');
    begun bigint := ocpp.to_register(p_payload->'meterStart');
    tag text := trim(p_payload->>'idTag');
    sent text := p_payload->>'timestamp';
    told timestamptz := ocpp.to_time(sent);
    moment timestamptz := ocpp.corrected(told);
    info jsonb := ocpp.IdTagInfo(tag, p_identity, place);
    reserved integer := ocpp.to_whole(p_payload->'reservationId');
    number integer;
    before ocpp.transaction;
BEGIN
    -- The same start again is answered the same again.
    SELECT * INTO before FROM ocpp.transaction
        WHERE identity = p_identity AND connector = place
            AND start_sent = sent AND lower(id_tag) = lower(tag)
            AND meter_start = begun;
    IF NOT FOUND THEN
        INSERT INTO ocpp.transaction (identity, connector, id_tag,
            id_tag_status, meter_start, start_time, start_sent,
            start_received, reservation_id, suspect)
        VALUES (p_identity, place, tag, info->>'status', begun, moment, sent,
            now(), reserved, array_remove(ARRAY[
                ocpp.doubt_of_time(told),
                CASE WHEN begun < 0 THEN 'negativeRegister' END,
                ocpp.doubt_of_range(p_payload->'meterStart')], NULL))
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
    PERFORM ocpp.use_reservation(p_identity, place, tag, reserved, number);
    PERFORM ocpp.supersede(p_identity, place, moment, number);
    RETURN jsonb_build_object('transactionId', number, 'idTagInfo', info);
END
$$;

CREATE FUNCTION ocpp.doubt_of_range(p_register jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN abs(p_register::numeric) > ocpp.most()
        THEN 'outOfRange' END
$$;

-- A transaction started: end the reservation that it used.
CREATE FUNCTION ocpp.use_reservation(
    p_identity text, p_connector integer, p_tag text, p_reserved integer,
    p_id integer
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    used integer;
    parent text;
BEGIN
    -- To look costs a fraction of an UPDATE that finds nothing.
    IF NOT EXISTS (SELECT FROM ocpp.reservation
            WHERE identity = p_identity AND status = 'Active') THEN
        RETURN;
    END IF;
    SELECT lower(parent_id_tag) INTO parent FROM ocpp.id_tag
        WHERE lower(id_tag) = lower(p_tag);
    UPDATE ocpp.reservation SET status = 'Used', ended = now(),
        transaction_id = p_id
        WHERE id = (SELECT id FROM ocpp.reservation
            WHERE identity = p_identity AND status = 'Active'
                -- The station knows best whether it was in time.
                AND CASE WHEN p_reserved IS NOT NULL
                    THEN reservation_id = p_reserved
                    ELSE connector IN (p_connector, 0) AND expiry > now()
                        AND (lower(id_tag) = lower(p_tag)
                            OR lower(parent_id_tag) = parent) END
            ORDER BY connector = 0, id LIMIT 1)
        RETURNING reservation_id INTO used;
    IF used IS DISTINCT FROM p_reserved AND used IS NOT NULL THEN
        UPDATE ocpp.transaction SET reservation_id = used WHERE id = p_id;
    END IF;
END
$$;

CREATE FUNCTION ocpp.end_record(
    p_id integer, p_how text, p_time timestamptz, p_reason text, p_word text
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ocpp.transaction SET closed = p_how, closed_at = p_time,
        close_reason = p_reason WHERE id = p_id;
    PERFORM ocpp.flag(p_id, p_word);
    PERFORM ocpp.assess(p_id);
END
$$;

-- Close what was left open on a connector, but not what began later: this
-- start may come late itself.
CREATE FUNCTION ocpp.supersede(
    p_identity text, p_connector integer, p_time timestamptz, p_id integer
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    left_open integer;
BEGIN
    FOR left_open IN SELECT id FROM ocpp.transaction
            WHERE identity = p_identity AND connector = p_connector
                AND closed IS NULL AND start_time <= p_time AND id <> p_id
            FOR UPDATE LOOP
        PERFORM ocpp.end_record(left_open, 'Superseded', p_time,
            format('transaction %s started on the connector', p_id),
            'superseded');
    END LOOP;
END
$$;

-- For operators: close a record whose station never will.
CREATE FUNCTION ocpp.CloseTransaction(p_id integer, p_reason text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t ocpp.transaction;
BEGIN
    SELECT * INTO t FROM ocpp.transaction WHERE id = p_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no transaction %', p_id
            USING ERRCODE = 'no_data_found';
    END IF;
    IF t.closed IS NOT NULL THEN
        RAISE EXCEPTION 'transaction % is closed: %', p_id, t.closed
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM ocpp.end_record(p_id, 'Closed', now(), p_reason,
        'closedByOperator');
END
$$;

-- Which transaction of the station a StopTransaction means, and whether that
-- is a guess.
CREATE FUNCTION ocpp.find_for_stop(
    p_identity text, p_payload jsonb, OUT number integer, OUT guessed boolean
) LANGUAGE plpgsql AS $$
DECLARE
    claimed integer := ocpp.to_whole(p_payload->'transactionId');
    stop bigint := ocpp.to_register(p_payload->'meterStop');
    tag text := lower(trim(p_payload->>'idTag'));
    told timestamptz := ocpp.to_time(p_payload->>'timestamp');
    moment timestamptz := ocpp.corrected(told);
    fits integer[];
    same integer[];
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
            AND stop_sent = p_payload->>'timestamp'
            AND stop_id_tag IS NOT DISTINCT FROM p_payload->>'idTag'
            AND stop_reason = coalesce(p_payload->>'reason', 'Local')
        LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;
    fits := ARRAY(SELECT id FROM ocpp.transaction
        WHERE identity = p_identity AND closed IS NULL
            AND start_time <= moment + interval '5 minutes');
    same := ARRAY(SELECT id FROM ocpp.transaction
        WHERE id = ANY (fits) AND lower(id_tag) = tag);
    -- An offline start has -1 or 0; any other number was another's.
    IF cardinality(same) > 0 OR (tag IS NOT NULL AND claimed > 0) THEN
        fits := same;
    END IF;
    IF cardinality(fits) > 1 THEN
        fits := ARRAY(SELECT id FROM ocpp.transaction
            WHERE id = ANY (fits) AND meter_start <= stop);
    END IF;
    IF cardinality(fits) = 1 THEN
        number := fits[1];
        guessed := true;
    END IF;
END
$$;

CREATE FUNCTION ocpp.StopTransaction(p_identity text, p_payload jsonb)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    answer jsonb := '{}';
    claimed integer := ocpp.to_whole(p_payload->'transactionId');
    stop bigint := ocpp.to_register(p_payload->'meterStop');
    sent text := p_payload->>'timestamp';
    told timestamptz := ocpp.to_time(sent);
    moment timestamptz := ocpp.corrected(told);
    data jsonb := CASE jsonb_typeof(p_payload->'transactionData')
        WHEN 'array' THEN p_payload->'transactionData' ELSE '[]' END;
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
        IF ocpp.keep_aside(p_identity, p_payload, claimed, format(
                'no transaction %s of this station', claimed)) THEN
            PERFORM ocpp.keep_data(p_identity, 0, NULL, data);
        END IF;
        RETURN answer;
    END IF;
    SELECT * INTO STRICT t FROM ocpp.transaction WHERE id = number FOR UPDATE;
    IF t.closed = 'Stopped' THEN
        IF (t.meter_stop, t.stop_sent) IS DISTINCT FROM (stop, sent) THEN
            PERFORM ocpp.flag(number, 'stoppedTwice');
            PERFORM ocpp.keep_aside(p_identity, p_payload, number, format(
                'transaction %s was stopped before, otherwise', number));
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
        ocpp.doubt_of_range(p_payload->'meterStop'),
        CASE WHEN guessed THEN 'guessedTransaction' END,
        CASE WHEN t.closed IS NOT NULL THEN 'lateStop' END);
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
    IF data = '[]' THEN
        PERFORM ocpp.assess(number);
    ELSE
        -- Which weighs all of them.
        PERFORM ocpp.keep_data(p_identity, t.connector, number, data);
    END IF;
    RETURN answer;
END
$$;

-- Keep the transactionData of a StopTransaction.
CREATE FUNCTION ocpp.keep_data(
    p_identity text, p_connector integer, p_id integer, p_data jsonb
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM ocpp.keep_meter_values(jsonb_build_array(jsonb_build_object(
        'identity', p_identity, 'payload', jsonb_build_object(
            'connectorId', p_connector, 'transactionId', p_id,
            'meterValue', p_data))));
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
    PERFORM ocpp.note(p_identity, 'BootNotification', p_payload);
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
                AND status = 'Active' AND expiry > now();
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
        PERFORM ocpp.keep_meter_values(jsonb_build_array(jsonb_build_object(
            'identity', p_identity, 'payload', p_payload)));
        answer := '{}';
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
BEGIN
    -- The most frequent of all, all at once.
    PERFORM ocpp.keep_meter_values(jsonb_path_query_array(
        p_calls, '$[*] ? (@.action == "MeterValues")'));
    FOR call IN SELECT jsonb_array_elements(p_calls) LOOP
        IF call->>'action' = 'MeterValues' THEN
            RETURN NEXT '{"messageTypeId": "CallResult", "payload": {}}'::jsonb;
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
    -- One of the same number is replaced (OCPP 1.6, section 5.13).
    IF p_action IN ('ReserveNow', 'CancelReservation') THEN
        UPDATE ocpp.reservation SET
            status = CASE WHEN expiry > now()
                THEN 'Cancelled' ELSE 'Expired' END,
            ended = least(expiry, now())
            WHERE identity = p_identity AND status = 'Active'
                AND reservation_id = ocpp.to_whole(p_payload->'reservationId');
    END IF;
    IF p_action = 'ReserveNow' THEN
        INSERT INTO ocpp.reservation (identity, connector, reservation_id,
            id_tag, parent_id_tag, expiry)
        VALUES (p_identity, ocpp.to_whole(p_payload->'connectorId'),
            ocpp.to_whole(p_payload->'reservationId'),
            trim(p_payload->>'idTag'), p_payload->>'parentIdTag',
            coalesce(ocpp.to_time(p_payload->>'expiryDate'), now()));
    END IF;
    RETURN true;
END
$$;

-- Lists: one object a row; the caller's token is not looked at.
CREATE FUNCTION ocpp.ChargePointList(p_token text, p_known jsonb DEFAULT '{}')
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
        FROM jsonb_array_elements(p_known->'ChargePointList')
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
    PERFORM pg_notify('ocpp_command',
        json_build_object('identity', p_identity)::text);
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

-- Forget events, and commands that ended, older than that many days.
CREATE FUNCTION ocpp.forget_events(p_days integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    oldest timestamptz := now() - p_days * interval '1 day';
BEGIN
    DELETE FROM ocpp.event WHERE time < oldest;
    DELETE FROM ocpp.command WHERE ended < oldest;
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
        PERFORM ocpp.forget_events(ocpp.setting('event_days')::integer);
    END IF;
    RETURN true;
END
$$;
