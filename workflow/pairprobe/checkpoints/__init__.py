"""Checkpoints: fetching, checking and loading them, and what they compute on."""
