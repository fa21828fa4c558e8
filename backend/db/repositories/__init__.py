"""Every query, in a function named as the question it answers. Nothing here commits."""
