"""How contexts lie among each other: over the steps of a run, over seeds and encoders."""
