"""The configuration: its schema, the checks across its keys, and how work is cut into jobs."""
