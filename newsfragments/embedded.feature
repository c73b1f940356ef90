The embedded backend: a small central system by the rules of OCPP 1.6, in an SQLite file or in memory.
