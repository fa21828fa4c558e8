"""Which checkpoints stay, what they are called, and what needs them."""
