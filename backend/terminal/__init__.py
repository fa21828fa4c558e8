"""What commands share: where the lab is, tables as plain text."""
