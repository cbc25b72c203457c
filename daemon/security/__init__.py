"""Who may speak to the daemon: key files, allow-lists, and the gate that holds them against every connection."""
