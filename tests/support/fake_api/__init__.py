"""A fake Kubernetes API server: real HTTP, objects in memory, faults on request. No schema, no controllers."""
