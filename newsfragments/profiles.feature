Charging profiles can be corrected and forgotten one by one, and `GET /api/v1/stations/{identity}/compositeSchedule` asks what a station may draw.
