"""The webhook: turns callbacks and requests into MediaImports and answers frontends."""
