"""The operator's life: start and end, kopf's part of it, the leader's Lease, the periodic resync."""
