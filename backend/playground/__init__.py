"""The playground: a task that somebody draws, asked of any checkpoint while one waits."""
