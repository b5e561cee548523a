"""A stand-in for Replicate's API, for the demo and the tests: it plays a video back instead of generating one."""
