"""Evaluations: ask for one, compute it, record its outcomes."""
