"""The benchmark suite: one module a part, and what the parts share; ``bench.py`` runs them."""
