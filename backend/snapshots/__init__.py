"""Contexts of a run over its steps, as its probes found them."""
