"""Generators: starting predictions, taking their callbacks, recovering those whose callback never came."""
