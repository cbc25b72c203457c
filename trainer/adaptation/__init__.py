"""Fitting a trained network's normalisation to the unlabelled cells of another site."""
