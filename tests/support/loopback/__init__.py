"""Real servers on 127.0.0.1 for tests and benchmarks: an S3 server, a file server, a proxy that limits bandwidth."""
