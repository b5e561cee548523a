"""PostgreSQL in a cluster: the catalogue's database of the demo and of tests."""
