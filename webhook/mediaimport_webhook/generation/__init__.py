"""Generation: predictions by alias, callbacks of generators, recovery of predictions whose callback never came."""
