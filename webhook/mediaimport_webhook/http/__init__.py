"""HTTP: bodies, routing, problems, schemas, the OpenAPI document, limits, connections, middleware."""
