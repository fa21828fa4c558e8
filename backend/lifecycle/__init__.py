"""What people do to runs, and what the end of one settles."""
