"""The database's history: a package, so that an installed wheel has it."""
