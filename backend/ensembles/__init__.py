"""Several evaluations as one: their votes pooled into one ranking per test input."""
