"""What every feature needs and no feature owns. It knows the standard library and pydantic alone."""
