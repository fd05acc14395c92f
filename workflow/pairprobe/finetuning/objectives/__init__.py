"""What trainings minimise: one module for each objective."""
