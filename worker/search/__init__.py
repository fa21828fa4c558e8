"""Refining what tells the core its task, guided by the demonstrations."""
