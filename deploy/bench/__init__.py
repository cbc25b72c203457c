"""Benchmarks and scores that the product prints about itself."""
