"""Who did what: the record of changes that people made."""
