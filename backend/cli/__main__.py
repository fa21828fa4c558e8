"""`python -m backend.cli`, the same as `etrm`."""

from backend.cli import main

main()
