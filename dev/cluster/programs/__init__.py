"""Programs that the cluster consists of: from Debian packages and from Go modules."""
