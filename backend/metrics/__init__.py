"""Metric series: append, read, thin, follow and compact."""
