A station that speaks SOAP may be reached by `https`: its certificate must be signed by `[tls] client_ca`, or by whom the system trusts.
