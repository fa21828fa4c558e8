"""Floor 3: the pages, rendered on the server from the same services as the API."""
