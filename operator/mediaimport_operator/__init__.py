"""The operator: turns each MediaImport into Jobs and writes its status."""
