"""Floor 3: the JSON API under /api/v1, one router per aggregate."""
