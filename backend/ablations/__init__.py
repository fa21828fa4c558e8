"""Ablations: one checkpoint with its context, demonstrations and settings changed one at a time, and the card."""
