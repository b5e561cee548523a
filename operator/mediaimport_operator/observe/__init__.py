"""MediaImports, Jobs and pods, parsed from the API's objects, and the cache that holds them."""
