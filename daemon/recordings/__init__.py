"""Our recording format: write, read, replay."""
