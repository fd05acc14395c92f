"""Tables for reading: Markdown and LaTeX."""
