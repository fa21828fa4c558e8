"""Predictions side by side, and the pages of tasks."""
