"""Histograms of a run over its steps."""
