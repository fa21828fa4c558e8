"""`python -m worker`: train, evaluate, parity, worker."""

from worker.cli.app import main

main()
