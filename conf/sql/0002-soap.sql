-- SOAP: envelopes of OCPP 1.2, 1.5 and 1.6 as JSON, and back.  The JSON is in
-- the words of 1.6 for all.
--
-- The server translates SOAP itself, and asks ocpp.Parse, unless it is told
-- to leave envelopes to these functions: [postgres] soap = database.

-- The members of each type, in their order: `name=ours*:type`, where `*` is
-- any number of it, and what has no type is a text.
CREATE TABLE ocpp.soap_type (
    versions text[] NOT NULL,
    type text NOT NULL,
    members text NOT NULL
);
INSERT INTO ocpp.soap_type VALUES
    ('{1.5,1.6}', 'IdTagInfo',
     'status expiryDate parentIdTag'),
    ('{1.5,1.6}', 'AuthorizeRequest',
     'idTag'),
    ('{1.5,1.6}', 'AuthorizeResponse',
     'idTagInfo:IdTagInfo'),
    ('{1.5,1.6}', 'BootNotificationRequest',
     'chargePointVendor chargePointModel chargePointSerialNumber '
     'chargeBoxSerialNumber firmwareVersion iccid imsi meterType '
     'meterSerialNumber'),
    ('{1.5}', 'BootNotificationResponse',
     'status currentTime heartbeatInterval=interval:int'),
    ('{1.6}', 'BootNotificationResponse',
     'status currentTime interval:int'),
    ('{1.5,1.6}', 'DataTransferRequest',
     'vendorId messageId data'),
    ('{1.5,1.6}', 'DataTransferResponse',
     'status data'),
    ('{1.5,1.6}', 'DiagnosticsStatusNotificationRequest',
     'status'),
    ('{1.5,1.6}', 'DiagnosticsStatusNotificationResponse',
     ''),
    ('{1.5,1.6}', 'FirmwareStatusNotificationRequest',
     'status'),
    ('{1.5,1.6}', 'FirmwareStatusNotificationResponse',
     ''),
    ('{1.5,1.6}', 'HeartbeatRequest',
     ''),
    ('{1.5,1.6}', 'HeartbeatResponse',
     'currentTime'),
    ('{1.6}', 'SampledValue',
     'value context format measurand phase location unit'),
    ('{1.5}', 'MeterValue',
     'timestamp value=sampledValue*:MeterValueValue'),
    ('{1.6}', 'MeterValue',
     'timestamp sampledValue*:SampledValue'),
    ('{1.5}', 'MeterValuesRequest',
     'connectorId:int transactionId:int values=meterValue*:MeterValue'),
    ('{1.6}', 'MeterValuesRequest',
     'connectorId:int transactionId:int meterValue*:MeterValue'),
    ('{1.5,1.6}', 'MeterValuesResponse',
     ''),
    ('{1.5,1.6}', 'StartTransactionRequest',
     'connectorId:int idTag timestamp meterStart:int reservationId:int'),
    ('{1.5,1.6}', 'StartTransactionResponse',
     'transactionId:int idTagInfo:IdTagInfo'),
    ('{1.5,1.6}', 'StatusNotificationRequest',
     'connectorId:int status errorCode info timestamp vendorId '
     'vendorErrorCode'),
    ('{1.5,1.6}', 'StatusNotificationResponse',
     ''),
    ('{1.5}', 'StopTransactionRequest',
     'transactionId:int idTag timestamp meterStop:int '
     'transactionData*:TransactionData'),
    ('{1.6}', 'StopTransactionRequest',
     'transactionId:int idTag timestamp meterStop:int reason '
     'transactionData*:MeterValue'),
    ('{1.5,1.6}', 'StopTransactionResponse',
     'idTagInfo:IdTagInfo'),
    ('{1.5,1.6}', 'CancelReservationRequest',
     'reservationId:int'),
    ('{1.5,1.6}', 'CancelReservationResponse',
     'status'),
    ('{1.5,1.6}', 'ChangeAvailabilityRequest',
     'connectorId:int type'),
    ('{1.5,1.6}', 'ChangeAvailabilityResponse',
     'status'),
    ('{1.5,1.6}', 'ChangeConfigurationRequest',
     'key value'),
    ('{1.5,1.6}', 'ChangeConfigurationResponse',
     'status'),
    ('{1.5,1.6}', 'ClearCacheRequest',
     ''),
    ('{1.5,1.6}', 'ClearCacheResponse',
     'status'),
    ('{1.6}', 'ClearChargingProfileRequest',
     'id:int connectorId:int chargingProfilePurpose stackLevel:int'),
    ('{1.6}', 'ClearChargingProfileResponse',
     'status'),
    ('{1.6}', 'ChargingSchedulePeriod',
     'startPeriod:int limit:number numberPhases:int'),
    ('{1.6}', 'ChargingSchedule',
     'duration:int startSchedule chargingRateUnit '
     'chargingSchedulePeriod*:ChargingSchedulePeriod '
     'minChargingRate:number'),
    ('{1.6}', 'GetCompositeScheduleRequest',
     'connectorId:int duration:int chargingRateUnit'),
    ('{1.6}', 'GetCompositeScheduleResponse',
     'status connectorId:int scheduleStart '
     'chargingSchedule:ChargingSchedule'),
    ('{1.5,1.6}', 'GetConfigurationRequest',
     'key*'),
    ('{1.5,1.6}', 'KeyValue',
     'key readonly:boolean value'),
    ('{1.5,1.6}', 'GetConfigurationResponse',
     'configurationKey*:KeyValue unknownKey*'),
    ('{1.5,1.6}', 'GetDiagnosticsRequest',
     'location startTime stopTime retries:int retryInterval:int'),
    ('{1.5,1.6}', 'GetDiagnosticsResponse',
     'fileName'),
    ('{1.5,1.6}', 'GetLocalListVersionRequest',
     ''),
    ('{1.5,1.6}', 'GetLocalListVersionResponse',
     'listVersion:int'),
    ('{1.6}', 'ChargingProfile',
     'chargingProfileId:int transactionId:int stackLevel:int '
     'chargingProfilePurpose chargingProfileKind recurrencyKind '
     'validFrom validTo chargingSchedule:ChargingSchedule'),
    ('{1.5}', 'RemoteStartTransactionRequest',
     'idTag connectorId:int'),
    ('{1.6}', 'RemoteStartTransactionRequest',
     'connectorId:int idTag chargingProfile:ChargingProfile'),
    ('{1.5,1.6}', 'RemoteStartTransactionResponse',
     'status'),
    ('{1.5,1.6}', 'RemoteStopTransactionRequest',
     'transactionId:int'),
    ('{1.5,1.6}', 'RemoteStopTransactionResponse',
     'status'),
    ('{1.5,1.6}', 'ReserveNowRequest',
     'connectorId:int expiryDate idTag parentIdTag reservationId:int'),
    ('{1.5,1.6}', 'ReserveNowResponse',
     'status'),
    ('{1.5,1.6}', 'ResetRequest',
     'type'),
    ('{1.5,1.6}', 'ResetResponse',
     'status'),
    ('{1.5}', 'AuthorisationData',
     'idTag idTagInfo:IdTagInfo'),
    ('{1.6}', 'AuthorizationData',
     'idTag idTagInfo:IdTagInfo'),
    ('{1.5}', 'SendLocalListRequest',
     'updateType listVersion:int '
     'localAuthorisationList=localAuthorizationList*:AuthorisationData '
     'hash'),
    ('{1.6}', 'SendLocalListRequest',
     'listVersion:int localAuthorizationList*:AuthorizationData '
     'updateType'),
    ('{1.5}', 'SendLocalListResponse',
     'status hash'),
    ('{1.6}', 'SendLocalListResponse',
     'status'),
    ('{1.6}', 'SetChargingProfileRequest',
     'connectorId:int csChargingProfiles:ChargingProfile'),
    ('{1.6}', 'SetChargingProfileResponse',
     'status'),
    ('{1.6}', 'TriggerMessageRequest',
     'requestedMessage connectorId:int'),
    ('{1.6}', 'TriggerMessageResponse',
     'status'),
    ('{1.5,1.6}', 'UnlockConnectorRequest',
     'connectorId:int'),
    ('{1.5,1.6}', 'UnlockConnectorResponse',
     'status'),
    ('{1.5,1.6}', 'UpdateFirmwareRequest',
     'retrieveDate location retries:int retryInterval:int'),
    ('{1.5,1.6}', 'UpdateFirmwareResponse',
     ''),
    ('{1.5}', 'TransactionData',
     'values*:MeterValue'),
    ('{1.5}', 'MeterValueValue',
     'value');

CREATE TABLE ocpp.soap_member (
    version text,
    type text,
    place integer,
    name text NOT NULL,
    ours text NOT NULL,
    is_list boolean NOT NULL,
    kind text,
    PRIMARY KEY (version, type, place)
);
INSERT INTO ocpp.soap_member
SELECT version, type, place, parts[1], coalesce(parts[2], parts[1]),
    parts[3] = '*', parts[4]
FROM ocpp.soap_type, unnest(versions) AS version,
    regexp_split_to_table(members, ' ') WITH ORDINALITY AS m(spec, place),
    regexp_match(spec, '^(\w+)(?:=(\w+))?(\*?)(?::(\w+))?$') AS parts
WHERE members <> '';
DROP TABLE ocpp.soap_type;
-- 1.2 has less of the same.
INSERT INTO ocpp.soap_member
SELECT '1.2', type, place, name, ours, is_list, kind
FROM ocpp.soap_member WHERE version = '1.5';

-- XML -----------------------------------------------------------------------

-- The first child of that name, whatever its namespace.
CREATE FUNCTION ocpp.child(p_xml xml, p_name text) RETURNS xml
LANGUAGE sql IMMUTABLE AS $$
    SELECT (xpath(format('/*/*[local-name()="%s"]', p_name), p_xml))[1]
$$;

CREATE FUNCTION ocpp.text_of(p_xml xml) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    found text;
BEGIN
    IF p_xml IS NULL THEN
        RETURN NULL;
    END IF;
    found := (xpath('string(/*)', p_xml))[1]::text;
    -- What xpath gives as xml is escaped.
    RETURN trim(replace(replace(replace(replace(coalesce(found, ''), '&lt;',
        '<'), '&gt;', '>'), '&quot;', '"'), '&amp;', '&'));
END
$$;

CREATE FUNCTION ocpp.xml_text(p_text text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT replace(replace(replace(replace(p_text, '&', '&amp;'), '<',
        '&lt;'), '>', '&gt;'), '"', '&quot;')
$$;

-- A text as a value of JSON; what does not have its type stays a text.
CREATE FUNCTION ocpp.typed(p_text text, p_kind text) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN p_kind = 'int' AND p_text ~ '^[+-]?\d{1,18}$'
            THEN to_jsonb(p_text::bigint)
        WHEN p_kind = 'number' AND p_text ~ '^[+-]?\d{1,15}(\.\d{1,9})?$'
            THEN to_jsonb(p_text::numeric)
        WHEN p_kind = 'boolean' AND lower(p_text) IN ('true', '1')
            THEN 'true'::jsonb
        WHEN p_kind = 'boolean' AND lower(p_text) IN ('false', '0')
            THEN 'false'::jsonb
        ELSE to_jsonb(p_text) END
$$;

CREATE FUNCTION ocpp.from_xml(p_xml xml, p_version text, p_type text)
RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    result jsonb := '{}';
    child xml;
    member ocpp.soap_member;
    value jsonb;
    attribute text;
BEGIN
    -- 1.5 writes what is measured as attributes of the value.
    IF p_type = 'MeterValueValue' THEN
        result := jsonb_build_object('value', ocpp.text_of(p_xml));
        FOREACH attribute IN ARRAY ARRAY['context', 'format', 'measurand',
                'location', 'unit'] LOOP
            result := result || coalesce(jsonb_build_object(attribute,
                nullif(replace(replace(
                    (xpath('string(/*/@' || attribute || ')', p_xml))[1]::text,
                    'Amp', 'A'), 'Volt', 'V'), '')), '{}');
        END LOOP;
        RETURN jsonb_strip_nulls(result);
    END IF;
    FOREACH child IN ARRAY xpath('/*/*', p_xml) LOOP
        SELECT * INTO member FROM ocpp.soap_member
            WHERE version = p_version AND type = p_type
                AND name = (xpath('local-name(/*)', child))[1]::text;
        CONTINUE WHEN NOT FOUND;
        IF member.kind ~ '^[A-Z]' THEN
            value := ocpp.from_xml(child, p_version, member.kind);
        ELSE
            value := ocpp.typed(ocpp.text_of(child), member.kind);
        END IF;
        -- 1.5 has lists of meter values in its list.
        IF member.kind = 'TransactionData' THEN
            value := coalesce(value->'values', '[]');
        ELSIF member.is_list THEN
            value := jsonb_build_array(value);
        END IF;
        IF member.is_list THEN
            value := coalesce(result->member.ours, '[]') || value;
        END IF;
        result := result || jsonb_build_object(member.ours, value);
    END LOOP;
    RETURN result;
END
$$;

CREATE FUNCTION ocpp.to_xml(p_json jsonb, p_version text, p_type text)
RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    result text := '';
    member ocpp.soap_member;
    value jsonb;
BEGIN
    FOR member IN SELECT * FROM ocpp.soap_member
            WHERE version = p_version AND type = p_type ORDER BY place LOOP
        FOR value IN SELECT * FROM jsonb_array_elements(CASE
                WHEN member.is_list THEN coalesce(p_json->member.ours, '[]')
                WHEN jsonb_typeof(p_json->member.ours) <> 'null'
                    THEN jsonb_build_array(p_json->member.ours)
                ELSE '[]' END) LOOP
            result := result || format('<%s>%s</%s>', member.name,
                CASE WHEN member.kind ~ '^[A-Z]'
                    THEN ocpp.to_xml(value, p_version, member.kind)
                    ELSE ocpp.xml_text(value #>> '{}') END, member.name);
        END LOOP;
    END LOOP;
    RETURN result;
END
$$;

-- Envelopes -----------------------------------------------------------------

CREATE FUNCTION ocpp.soap_namespace(p_service text, p_version text)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT format('urn://Ocpp/%s/%s/', p_service,
        CASE p_version WHEN '1.2' THEN '2010/08' WHEN '1.5' THEN '2012/06'
            ELSE '2015/10' END)
$$;

CREATE FUNCTION ocpp.envelope(
    p_namespace text, p_identity text, p_headers text, p_body text
) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
        ' xmlns:a="http://www.w3.org/2005/08/addressing" xmlns="'
        || p_namespace || '"><s:Header><chargeBoxIdentity>'
        || ocpp.xml_text(p_identity) || '</chargeBoxIdentity>' || p_headers
        || '</s:Header><s:Body>' || p_body || '</s:Body></s:Envelope>'
$$;

-- The version of a message, by the namespace of what is in its Body.
CREATE FUNCTION ocpp.soap_version(p_message xml) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE split_part((xpath('namespace-uri(/*)', p_message))[1]::text,
            '/', 5)
        WHEN '2010' THEN '1.2' WHEN '2012' THEN '1.5' ELSE '1.6' END
$$;

-- Answer a station's envelope.
CREATE FUNCTION ocpp.ParseXML(
    p_xml xml, OUT identity text, OUT action text, OUT address text,
    OUT payload text
) LANGUAGE plpgsql AS $$
DECLARE
    header xml := ocpp.child(p_xml, 'Header');
    message xml := (xpath('/*/*', ocpp.child(p_xml, 'Body')))[1];
    name text := (xpath('local-name(/*)', message))[1]::text;
    version text := ocpp.soap_version(message);
    number text := ocpp.text_of(ocpp.child(header, 'MessageID'));
    reply jsonb;
    headers text;
    body text;
    subcode text;
BEGIN
    identity := ocpp.text_of(ocpp.child(header, 'chargeBoxIdentity'));
    address := ocpp.text_of(ocpp.child(ocpp.child(header, 'From'), 'Address'));
    action := upper(left(name, 1)) || substr(regexp_replace(name,
        'Request$', ''), 2);
    IF coalesce(identity, '') = '' OR name IS NULL THEN
        RAISE EXCEPTION 'no envelope of a station'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    reply := ocpp.Parse(identity, number, action,
        ocpp.from_xml(message, version, action || 'Request'), NULL, version);
    IF reply->>'messageTypeId' = 'CallError' THEN
        subcode := CASE
            WHEN reply->>'errorCode' IN ('NotImplemented', 'NotSupported')
                THEN 'NotSupported'
            WHEN reply->>'errorCode' = 'SecurityError' THEN 'SecurityError'
            WHEN reply->>'errorCode' ~ '^ProtocolError$|Violation$'
                THEN 'ProtocolError'
            ELSE 'InternalError' END;
        body := format('<s:Fault><s:Code><s:Value>s:%s</s:Value>'
            '<s:Subcode><s:Value xmlns:o="%s">o:%s</s:Value></s:Subcode>'
            '</s:Code><s:Reason><s:Text xml:lang="en">%s</s:Text></s:Reason>'
            '</s:Fault>',
            CASE WHEN subcode IN ('NotSupported', 'InternalError')
                THEN 'Receiver' ELSE 'Sender' END,
            ocpp.soap_namespace('Cs', version), subcode,
            ocpp.xml_text(coalesce(reply->>'errorDescription', '')));
    ELSE
        name := lower(left(action, 1)) || substr(action, 2) || 'Response';
        body := format('<%s>%s</%s>', name, ocpp.to_xml(reply->'payload',
            version, action || 'Response'), name);
    END IF;
    headers := format('<a:Action>/%sResponse</a:Action>'
        '<a:MessageID>urn:uuid:%s</a:MessageID>', ocpp.xml_text(action),
        gen_random_uuid());
    IF number <> '' THEN
        headers := headers || format('<a:RelatesTo>%s</a:RelatesTo>',
            ocpp.xml_text(number));
    END IF;
    payload := ocpp.envelope(ocpp.soap_namespace('Cs', version), identity,
        headers, body);
END
$$;

-- The envelope of a command.
CREATE FUNCTION ocpp.JSONToSOAP(p_message jsonb) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    header jsonb := p_message->'header';
    action text := header->>'Action';
    known text := (SELECT version FROM ocpp.charge_point
        WHERE identity = header->>'chargeBoxIdentity');
    version text := CASE WHEN known IN ('1.2', '1.5') THEN known
        ELSE '1.6' END;
    name text := lower(left(action, 1)) || substr(action, 2) || 'Request';
BEGIN
    RETURN ocpp.envelope(ocpp.soap_namespace('Cp', version),
        header->>'chargeBoxIdentity',
        format('<a:Action>/%s</a:Action><a:MessageID>urn:uuid:%s</a:MessageID>'
            '<a:From><a:Address>http://www.w3.org/2005/08/addressing/anonymous'
            '</a:Address></a:From><a:ReplyTo><a:Address>'
            'http://www.w3.org/2005/08/addressing/anonymous</a:Address>'
            '</a:ReplyTo><a:To>%s</a:To>', ocpp.xml_text(action),
            gen_random_uuid(), ocpp.xml_text(coalesce(header->>'To', ''))),
        format('<%s>%s</%s>', name, ocpp.to_xml(p_message->'payload', version,
            action || 'Request'), name));
END
$$;

-- The payload of a station's answer.
CREATE FUNCTION ocpp.SOAPToJSON(p_xml xml) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    message xml := (xpath('/*/*', ocpp.child(p_xml, 'Body')))[1];
    name text := (xpath('local-name(/*)', message))[1]::text;
BEGIN
    IF name IS NULL OR name = 'Fault' THEN
        RAISE EXCEPTION 'the station answered with a fault: %',
            ocpp.text_of(ocpp.child(message, 'Reason'))
            USING ERRCODE = 'external_routine_exception';
    END IF;
    RETURN ocpp.from_xml(message, ocpp.soap_version(message),
        upper(left(name, 1)) || substr(name, 2));
END
$$;
