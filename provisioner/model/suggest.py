"""Near misses: what was probably meant by a name that isn't there."""

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    import difflib

    by_lower = {k.lower(): k for k in sorted(known)}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """`did you mean 'standard'?` where something known is near, else None."""
    near = nearest(word, known)
    return f"did you mean '{near}'?" if near else None


def suggest(word: str, known: Iterable[str], kind: str) -> str:
    """A hint for an unknown name: the near miss, or what there is."""
    names = sorted(known)
    listing = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return did_you_mean(word, names) or (f"{kind}: {listing}" if names else f"there are no {kind} yet")
