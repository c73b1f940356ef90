An OpenAPI 3.1 document of the REST API and of every OCPP operation is at `/docs/openapi.json` and `/docs/api.yaml`, with Swagger UI at `/docs/`.
