"""Creating, retrying and deleting MediaImports."""
