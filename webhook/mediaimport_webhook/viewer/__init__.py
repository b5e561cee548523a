"""Viewer of the OpenAPI document: Swagger UI, served by the webhook itself."""
