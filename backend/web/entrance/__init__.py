"""What every request passes before an endpoint sees it: connection, guard, door, methods, repeated keys."""
