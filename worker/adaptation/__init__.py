"""Test-time training: a copy of the model learns a task from its demonstrations, and answers it alone."""
