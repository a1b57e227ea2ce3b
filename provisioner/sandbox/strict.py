"""Tightens moto where it is laxer than AWS and no body is involved."""


def install() -> None:
    pass
