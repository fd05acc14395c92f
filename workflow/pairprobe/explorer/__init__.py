"""The explorer: one HTML page that opens a number's pairs and their words."""
