"""The filter language of the runs table."""
