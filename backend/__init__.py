"""The web process and everything it shares with the worker. Never imports torch or worker."""
