"""A store that forgets conditions: it stands before a real one, and writes over what is there whatever is asked."""
