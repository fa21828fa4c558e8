"""Who may work on what, the order of the queue, and the queue as people see it."""
