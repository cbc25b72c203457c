"""What a site runs: the command line, benchmarks, the demo bundle."""
