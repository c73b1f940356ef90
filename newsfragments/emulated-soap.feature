Emulated stations speak SOAP, too: OCPP 1.2, 1.5 and 1.6, with an `http://` or `https://` CentralSystemURL and the key `OcppVersion`, or `ocpp-cp run --url http://... --version 1.5`.
