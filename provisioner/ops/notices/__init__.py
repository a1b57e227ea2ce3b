"""Webhooks: what a worker tells the outside."""
