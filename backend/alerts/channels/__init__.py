"""How a message reaches a person: one file for each channel. None of them knows the database."""
