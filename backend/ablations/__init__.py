"""Ablations: a checkpoint with its context, demonstrations and settings changed one at a time; the card."""
