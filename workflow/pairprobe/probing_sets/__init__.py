"""Probing sets: the pairs and boundaries that a model is asked about."""
