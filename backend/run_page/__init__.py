"""One run: page, API, live events and command line."""
