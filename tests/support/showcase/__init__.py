"""A lab with made-up contents, as a group of researchers would leave it after a week: for photographs.

Everything is written through the services, so that pages show it as they show real runs. No number here was
measured.
"""
