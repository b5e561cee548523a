"""Files that are generated: CRD, OpenAPI document, JSON Schema, and the reference pages."""
