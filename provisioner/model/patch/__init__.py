"""Patches of the operating system: what is missing, until when it may be, and what proves that it is not."""
