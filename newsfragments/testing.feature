`ocpp_tw.testing` holds what every backend promises, as tests that a backend of your own inherits; docs/write-a-backend.md shows how.
