"""What notebooks use: runs, models, rankings of pairs, and comparisons of them."""
