"""Putting phenostream on a box as a service of systemd, making it newer or older again, and taking it off."""
