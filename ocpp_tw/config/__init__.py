"""
The configuration file and the environment, read into values that can be
compared.

>>> config = load(None, {"CS_SERVER_PORT": "9000"}, "/nowhere")
>>> config.server.port, config.backend.name
(9000, 'embedded')
"""

from .check import check
from .oauth2 import load_providers
from .reading import BackendConfig, Config, find, load
from .settings import (
    API,
    SOAP,
    TLS,
    Conninfo,
    Daemon,
    Embedded,
    Emulator,
    Log,
    Main,
    Pool,
    Postgres,
    Server,
    Stations,
    Webhook,
)
from .sites import load_sites


__all__ = [
    "API",
    "SOAP",
    "TLS",
    "BackendConfig",
    "Config",
    "Conninfo",
    "Daemon",
    "Embedded",
    "Emulator",
    "Log",
    "Main",
    "Pool",
    "Postgres",
    "Server",
    "Stations",
    "Webhook",
    "check",
    "find",
    "load",
    "load_providers",
    "load_sites",
]
