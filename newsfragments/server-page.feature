The page of the server shows the configuration in force without its secrets, and admins can have it read again there, or by `POST /api/v1/server/reload`.
