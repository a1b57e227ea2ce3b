"""The order of the product's versions."""


def version_key(version: str) -> tuple[int, ...]:
    """What orders versions like 1.10.0, which the registry has checked."""
    return tuple(map(int, version.split(".")))
