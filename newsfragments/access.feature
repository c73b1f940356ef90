Users with roles (viewer, operator, admin), API keys and JSON Web Tokens decide who may use the REST API; what was done by whom is kept.
