"""Where a training reports to."""
