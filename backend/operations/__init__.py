"""Keeping a lab running: backup and restore, `etrm doctor`, figures for Prometheus."""
