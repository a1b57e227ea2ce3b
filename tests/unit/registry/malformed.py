"""Registries that must be refused, and the whole of what is said about each."""

from dataclasses import dataclass

from tests.unit.registry.samples import HEAD, SAMPLE


@dataclass(frozen=True)
class Case:
    """`raw`: the file; `said`: every problem as it is printed, in order."""

    name: str
    raw: bytes
    said: tuple[str, ...]


def changed(name: str, old: str, new: str, *said: str) -> Case:
    assert old in SAMPLE, name
    return Case(name, SAMPLE.replace(old, new, 1).encode(), said)


def tenant(name: str, fields: str, *said: str) -> Case:
    """A registry whose only tenant, acme, has these lines; the first of them is line 44."""
    return raw(name, HEAD + f"tenants:\n  acme:\n{fields}", *said)


def raw(name: str, content: str | bytes, *said: str) -> Case:
    return Case(name, content if isinstance(content, bytes) else content.encode(), said)


YAML_CASES: list[Case] = [
    # Bytes and characters
    raw("empty", "", "tenants.yaml:1:1: is empty (begin with `version: 1`; docs/registry.md has an example)"),
    raw(
        "only comments",
        "# nothing here\n",
        "tenants.yaml:2:1: is empty (begin with `version: 1`; docs/registry.md has an example)",
    ),
    raw(
        "a list",
        "- version: 1\n",
        "tenants.yaml:1:1: must be a mapping of `key: value` lines (begin with `version: 1`; "
        "docs/registry.md has an example)",
    ),
    raw(
        "invalid UTF-8",
        SAMPLE.replace("Umbrella Group", "@@").encode().replace(b"@@", b"\xff\xfe"),
        "tenants.yaml:40:20: byte 0xff is not UTF-8 (save the file as UTF-8)",
    ),
    raw("UTF-16", SAMPLE.encode("utf-16"), "tenants.yaml:1:1: is UTF-16, not UTF-8 (save it as UTF-8)"),
    changed(
        "NUL",
        "Umbrella Group",
        "Umbrella\0Group",
        "tenants.yaml:40:28: a control character (U+0000) is not allowed (delete it)",
    ),
    changed(
        "text direction",
        "Umbrella Group",
        "Umbrella \u202e puorG",
        "tenants.yaml:40:29: RIGHT-TO-LEFT OVERRIDE (U+202E) is not allowed (delete it)",
    ),
    changed(
        "hidden line break",
        "Umbrella Group",
        "Umbrella\u2028Group",
        "tenants.yaml:40:28: LINE SEPARATOR (U+2028) is not allowed (delete it)",
    ),
    raw(
        "huge",
        b"# " + b"x" * (9 * 1024 * 1024),
        "tenants.yaml:1:1: is 9.0 MiB, more than the limit of 8 MiB (is this the right file?)",
    ),
    # YAML
    changed(
        "tab",
        "    ring: 1",
        "\tring: 1",
        "tenants.yaml:44:1: not YAML: found a tab character that violates indentation while scanning a "
        "plain scalar that begins in line 43 (tabs can't indent YAML; use spaces)",
    ),
    changed(
        "open quote",
        'stable: "1.1.0"',
        'stable: "1.1.0',
        "tenants.yaml:47:1: not YAML: found unexpected end of stream while scanning a quoted scalar that "
        "begins in line 38 (a quote isn't closed)",
    ),
    changed(
        "open bracket",
        "[eu-west-1, us-east-1]",
        "[eu-west-1, us-east-1",
        "tenants.yaml:8:11: not YAML: did not find expected ',' or ']' while parsing a flow sequence "
        "that begins in line 7 (a bracket isn't closed, or a comma is missing)",
    ),
    changed(
        "no space after a colon",
        "    ring: 1",
        "    ring:1",
        "tenants.yaml:45:3: not YAML: could not find expected ':' while scanning a simple key that "
        "begins in line 44 (a key needs a colon and a space after it)",
    ),
    changed(
        "colon in text",
        "Umbrella Group}",
        "Umbrella: Group}",
        "tenants.yaml:40:28: not YAML: did not find expected ',' or '}' while parsing a flow mapping (a "
        "bracket isn't closed, or a comma is missing)",
    ),
    changed(
        "indentation",
        "    ring: 1",
        "   ring: 1",
        "tenants.yaml:44:4: not YAML: did not find expected key while parsing a block mapping that "
        "begins in line 42 (keys of one mapping need one indentation)",
    ),
    changed(
        "duplicate key",
        "    ring: 1",
        "    ring: 1\n    ring: 2",
        "tenants.yaml:45:5: tenants/acme/ring: is there twice; first in line 44 (keep one of them)",
    ),
    changed(
        "duplicate tenant, twice",
        "  globex:\n",
        "  acme:\n    ring: 3\n  acme:\n",
        "tenants.yaml:45:3: tenants/acme: is there twice; first in line 42 (keep one of them)",
        "tenants.yaml:47:3: tenants/acme: is there twice; first in line 42 (keep one of them)",
    ),
    changed(
        "tag",
        "ring: 1",
        "ring: !!python/object/apply:os.system [ls]",
        "tenants.yaml:44:11: tenants/acme/ring: the tag tag:yaml.org,2002:python/object/apply:os.system "
        "is not allowed (leave it out)",
    ),
    raw(
        "two documents",
        SAMPLE + "---\nversion: 1\n",
        "tenants.yaml:47:1: a second document begins here (a registry is one document: delete `---`)",
    ),
    tenant(
        "unknown alias",
        "    labels: *common\n",
        "tenants.yaml:43:13: tenants/acme/labels: there is no &common (an anchor must stand above its alias)",
    ),
    tenant(
        "cycle",
        "    labels: &a {a: *a}\n",
        "tenants.yaml:43:20: tenants/acme/labels/a: *a is inside of &a: a cycle (write the value out)",
    ),
    tenant(
        "merge key",
        "    <<: *trial\n",
        "tenants.yaml:43:5: tenants/acme: merge keys (<<) are not supported (use defaults, a tier or overrides)",
    ),
    raw(
        "laughs",
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)),
        "tenants.yaml:6:29: f: is more than 500,000 values, with aliases followed (write fewer aliases)",
    ),
    raw(
        "depth",
        "a: " + "[" * 5000,
        "tenants.yaml:1:19: a/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0: is nested more than 16 levels deep",
    ),
    tenant(
        "boolean key",
        "    labels: {true: x}\n",
        "tenants.yaml:43:14: tenants/acme/labels: this key is read as a boolean (write it in quotes)",
    ),
    tenant(
        "list as key",
        "    labels: {[a]: x}\n",
        "tenants.yaml:43:14: tenants/acme/labels: a key must be text (write a name and a colon)",
    ),
    tenant(
        "a time without quotes",
        "    window: {days: [sun, son, sun], start: 2:00, hours: 25}\n",
        "tenants.yaml:43:45: not YAML: found unexpected ':' while scanning a plain scalar (text with : "
        "in it needs quotes)",
    ),
]
