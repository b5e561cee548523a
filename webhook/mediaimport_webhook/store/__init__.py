"""The webhook's side of the store: presigned URLs and sidecars. Read-only."""
