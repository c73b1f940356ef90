"""
The backend of the row "nothing kept".
"""

from ocpp_tw.plugin import BackendMaker


nothing = BackendMaker(
    "nothing", "bench.nothing", "Accepts everybody, and keeps nothing."
)
