"""Accounts, roles, tokens and browser sessions."""
