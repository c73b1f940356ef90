Emulated stations tell every status of a firmware update, by what the file says of itself (`model`, `version`, `sha256`) and by the request.
