"""What tells the core which task it is solving."""
