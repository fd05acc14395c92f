"""Confidence intervals, tests, and verdicts on the paper's claims."""
