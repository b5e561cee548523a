"""HTTP parts that know no media: bodies, responses, routing, problems, schemas, OpenAPI, the access log."""
