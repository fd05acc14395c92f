"""One module a task: how its pairs are found in an example."""
