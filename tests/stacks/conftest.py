"""Loads the SDK once a process, without its deprecation notices: they are about classes that nobody here uses."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from stacks.tenant import warm

    warm()
