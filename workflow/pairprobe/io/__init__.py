"""Reading and writing files: atomic writes, TSV, Parquet, JSON, digests, downloads, progress."""
