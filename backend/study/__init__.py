"""Studies: every claim of a paper put to the test by runs that the lab queues."""
