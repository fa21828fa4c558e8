"""Floor 1: tables, sessions, migrations, and every query."""
