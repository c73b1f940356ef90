Commands for stations that are away can wait for them, durably: `POST /api/v1/stations/{identity}/calls?queue=<seconds>`.
