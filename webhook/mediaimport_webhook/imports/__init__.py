"""Creating and deleting MediaImports."""
