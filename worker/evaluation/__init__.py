"""Scoring: augmented views of each test input, undone, voted on and judged."""
