"""What a run is to show: how its success is measured, when it is hopeless, and the verdict at its end."""
