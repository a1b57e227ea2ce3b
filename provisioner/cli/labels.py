"""Labels as words of the command line."""

from collections.abc import Sequence

from provisioner.model.errors import UsageError


def labels(words: Sequence[str]) -> dict[str, str]:
    """`key=value` words as a mapping. Raises UsageError for a word without `=` and for a key given twice."""
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f"--label {word}: should be key=value", hint="--label industry=health")
        if key in found:
            raise UsageError(f"--label {key} was given twice ({found[key]!r} and {value!r})")
        found[key] = value
    return found
