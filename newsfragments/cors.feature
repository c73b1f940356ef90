Web pages of the origins in `[api] cors` may use the REST API, and `[api] requests_per_minute` bounds what each address may ask.
