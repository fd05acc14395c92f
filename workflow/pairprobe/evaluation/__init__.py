"""Answers to questions, and the official metrics of Natural Questions and SQuAD."""
