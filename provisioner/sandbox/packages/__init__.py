"""The operating system's packages: a feed that ships with the sandbox, and Patch Manager's operations on it."""
