"""A terminal view of one daemon, drawn anew every second."""
