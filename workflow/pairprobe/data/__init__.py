"""Data sets: readers, documents, examples, pages, and which partition each page is in."""
