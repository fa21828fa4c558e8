"""Task sets, their tasks and the leak check between sets."""
