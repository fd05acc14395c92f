"""Hidden states of every word and layer: extracting them and storing them."""
