"""What is watched of a training: diagnostics, probes, alarms."""
