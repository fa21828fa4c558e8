"""Stored evaluations, and how their scores compare."""
