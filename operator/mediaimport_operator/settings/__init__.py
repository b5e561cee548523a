"""Settings of the operator and of the pods that it creates, read from the environment."""
