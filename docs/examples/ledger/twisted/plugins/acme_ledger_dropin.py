"""
What acme_ledger offers to ocpp_tw: a backend.
"""

from ocpp_tw.plugin import BackendMaker


ledger = BackendMaker(
    "ledger", "acme_ledger", "Accepts everybody, and writes a ledger."
)
