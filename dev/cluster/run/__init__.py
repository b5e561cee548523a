"""The way a command runs: in parallel tasks, interrupted where nothing is half done, in turn with other checkouts."""
