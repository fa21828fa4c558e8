"""What the runs of a set have in common: a scatter, parallel coordinates, which fields go with a result."""
