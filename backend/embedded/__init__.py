"""Floor 4: `etrm up`, the whole lab in one command on one machine."""
