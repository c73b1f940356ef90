"""
What ocpp_tw offers to Twisted: the C{cs} service, and its backends.
"""

from twisted.application.service import ServiceMaker

from ocpp_tw.plugin import BackendMaker


cs = ServiceMaker(
    "OCPP central system",
    "ocpp_tw.tap",
    "A central system for OCPP charging stations.",
    "cs",
)

embedded = BackendMaker(
    "embedded",
    "ocpp_tw.backends.embedded",
    "The rules of a central system, kept in a SQLite file.",
)

memory = BackendMaker(
    "memory",
    "ocpp_tw.backends.embedded",
    "The same, kept in memory: forgotten when it stops.",
)

webhook = BackendMaker(
    "webhook",
    "ocpp_tw.backends.webhook",
    "Asks an HTTP server what to answer.",
)

postgres = BackendMaker(
    "postgres",
    "ocpp_tw.backends.postgres",
    "Asks functions in a PostgreSQL database what to answer.",
)
