"""Inference backends behind one Protocol and one visible table."""
