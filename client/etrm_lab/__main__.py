"""`python -m etrm_lab`."""

from etrm_lab.command import main

main()
