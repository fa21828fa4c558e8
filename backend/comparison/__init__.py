"""Runs and configurations side by side."""
