"""Rollouts: a release across the fleet, in waves, one `upgrade` for each tenant."""
