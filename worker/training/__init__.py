"""The one training loop, with its losses, optimisers, checkpoints and diagnostics."""
