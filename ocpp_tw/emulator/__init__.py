"""
Stations of our own, for demonstrations and tests; they know no server.
"""
