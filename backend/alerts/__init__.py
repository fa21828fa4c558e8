"""Alarms and their delivery to a webhook."""
