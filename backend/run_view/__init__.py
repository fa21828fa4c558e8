"""A run as people see it: facts, scores and health, for many runs at once."""
