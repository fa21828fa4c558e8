"""The frame of the pages: which there are, and where each stands."""
