"""Controls: other ways to measure the same, which a conclusion should survive."""
