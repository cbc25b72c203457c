"""What a trained model can do, measured so that nobody has to take it on trust: figures, controls, a report."""
