"""HTTP: bodies, routing, problems, schemas, the OpenAPI document, the access log."""
