"""Fine-tuning a checkpoint to answer questions."""
