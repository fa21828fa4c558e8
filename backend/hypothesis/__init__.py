"""Verdicts on what a run was to show."""
