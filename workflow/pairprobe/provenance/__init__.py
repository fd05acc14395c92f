"""What made a result: digests of code, records of jobs, and checks that files are still the same."""
