"""What somebody changed by hand: how bad it is, and where else in the fleet it is the same."""
