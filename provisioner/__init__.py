"""`provision`: one VM, one PostgreSQL database and one network for each customer."""

__version__ = "0.1.0"
