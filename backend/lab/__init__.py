"""The lab as a whole: search, settings, storage, health, API reference."""
