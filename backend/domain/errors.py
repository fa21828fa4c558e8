"""The errors of `backend.kit.errors`, under the address that most modules still import them from."""

from backend.kit.errors import *  # noqa: F403
