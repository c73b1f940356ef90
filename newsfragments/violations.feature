`GET /api/v1/violations` counts what stations do against the standard, by vendor, model and firmware, in words and with an example; also as CSV.
