"""Models: torch only, shaped by the config of `backend.domain.experiment`."""
