"""Moving one tenant to another release: a new machine beside the old one, looked at, and only then switched to."""
