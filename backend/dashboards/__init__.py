"""Dashboards, their panels and share links."""
