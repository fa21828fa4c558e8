"""The training backend: data, models, training, evaluation, and the Celery worker that runs them."""
