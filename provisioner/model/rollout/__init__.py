"""Moving a fleet to a release: what is planned, when it may be, and what comes next. Pure: no clock, no I/O."""
