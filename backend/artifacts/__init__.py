"""Checkpoints in an S3-compatible bucket: published, fetched, removed."""
