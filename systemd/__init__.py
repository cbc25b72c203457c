"""What systemd is given, as data: units, drop-ins, and the files of sysusers and tmpfiles; nothing to import."""
