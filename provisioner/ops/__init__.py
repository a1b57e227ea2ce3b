"""Use cases, a module a verb. They decide; adapters act."""
