"""Workers, their heartbeat and their leases."""
