The OpenAPI document has an example of every body and answer, names every setting, filter and word of 2.x that is understood, and generates clients.
