A backend that cannot store a message may let the answer fail with `BackendUnavailable`: the station is told
InternalError, and sends it again.
