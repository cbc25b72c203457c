"""The hybrid network, its options, and the one graph around it that every backend runs."""
