"""Data sets the trainer reads."""
