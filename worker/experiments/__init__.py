"""Experiments that stand on the library: positive control, parity with the published models."""
