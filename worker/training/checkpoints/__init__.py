"""States of a training as files without pickle."""
