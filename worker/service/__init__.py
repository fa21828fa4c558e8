"""The Celery worker and the processes it starts."""
