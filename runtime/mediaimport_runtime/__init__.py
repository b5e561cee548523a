"""Parts that every program needs and none owns: Kubernetes, logs, metrics server, environment, store settings."""
