"""A page that shows the OpenAPI document: Swagger UI, served from here and from nowhere else."""
