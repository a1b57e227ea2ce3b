"""Patching: looking, a rollout of patches, and the report."""
