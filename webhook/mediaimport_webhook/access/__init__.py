"""Authentication, authorization and rate limits: who calls, and how often."""
