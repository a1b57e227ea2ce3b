"""A small product: notes, in a database of its own."""
