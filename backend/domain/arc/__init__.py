"""ARC grids, tasks and what predictions of them are worth."""
