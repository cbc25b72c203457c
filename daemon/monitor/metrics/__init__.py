"""The daemon's status as Prometheus metrics; one module a subject, all of them in `sections`."""
