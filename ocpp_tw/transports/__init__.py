"""
Where stations and operators come in: WebSocket, SOAP and REST.
"""
