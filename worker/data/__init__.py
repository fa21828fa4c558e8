"""From ARC tasks to batches of tokens: canvas, augmentation, leaks, samples."""
