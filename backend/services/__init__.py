"""Floor 2: what a user can do, as functions of a session. None commits."""
