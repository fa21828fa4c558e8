"""`make screenshots`: photographs of every page, for looking at and for the README and the guide."""
