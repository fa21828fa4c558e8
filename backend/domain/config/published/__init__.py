"""What was published, setting by setting, with its source: what the presets are held to."""
