"""Groups of runs made by a sweep."""
