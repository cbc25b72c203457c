"""One command from BSCCM on disk to a report: pack, part, train each seed, calibrate, evaluate, compare, write."""
