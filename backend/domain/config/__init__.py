"""Experiment configs: presets, files, and what is wrong with one in words."""
