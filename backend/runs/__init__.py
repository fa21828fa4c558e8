"""Run rows, their status, events, log and checkpoints."""
