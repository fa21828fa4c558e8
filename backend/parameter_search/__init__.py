"""Parameter searches: which configurations to try next, by what the earlier ones reached."""
