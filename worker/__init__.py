"""The training backend: data, models, training, evaluation, and the Celery worker that runs them."""

import os

# Threads of torch that wait for one another sleep instead of spinning, which has to be said before
# torch is loaded. Where web server, browser and training share two cores, spinning made a step take
# four times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
