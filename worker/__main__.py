"""`python -m worker`: train, evaluate, parity, worker."""

from worker.cli import main

main()
