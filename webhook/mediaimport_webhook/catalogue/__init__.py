"""The read side: a cache of MediaImports fed by a watch, and what the API shows of them."""
