"""Tables as files: CSV that spreadsheets do not run, and Parquet."""
