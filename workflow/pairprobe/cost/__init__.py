"""What a configuration costs before it is run: time, memory and disk of each stage, on several machines."""
