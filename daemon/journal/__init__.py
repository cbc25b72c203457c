"""The journal: what the daemon has promised, on disk before it is said."""
