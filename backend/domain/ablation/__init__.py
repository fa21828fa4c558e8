"""Ablations of a checkpoint: which evaluations make one, the card that tells it, and whether a card holds."""
