"""The table of runs: filter, sort, columns, saved views, export."""
