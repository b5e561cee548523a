"""What `helm test` runs: whether an installation does what it is for, one line for each check."""
