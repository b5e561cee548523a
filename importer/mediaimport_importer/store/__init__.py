"""Where the bytes go: one S3 bucket."""
