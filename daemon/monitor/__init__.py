"""The monitor: a process beside the daemon that tells over HTTP how it is, and can cost it nothing but an answer."""
