"""From vectors to pairwise ranking percentages."""
