"""Sequential comparison of two checkpoints."""
