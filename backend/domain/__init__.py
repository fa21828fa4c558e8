"""Floor 0: the field's nouns, on the standard library and pydantic alone."""
