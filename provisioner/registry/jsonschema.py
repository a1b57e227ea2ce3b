"""The JSON schema of the registry file, for editors and for `tenants.schema.json`."""

import json
from typing import Any

from provisioner.registry.schema import RegistryFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_text() -> str:
    """The schema as text, the same for the same code. Fields have their update policy as `x-update-policy`."""
    schema = RegistryFile.model_json_schema()
    described = {"$schema": DIALECT, "title": "Registry of provision"}
    return json.dumps({**described, **_bare({**schema, "title": None})}, indent=2, ensure_ascii=False) + "\n"


def _bare(node: Any) -> Any:
    """Without the titles that pydantic makes of names: editors show them above the description, where they only
    repeat the key (a property that is called `title` would be a mapping, and stays). With names checked."""
    if isinstance(node, dict):
        found = {k: _bare(v) for k, v in node.items() if not (k == "title" and not isinstance(v, dict))}
        return {**found, "additionalProperties": False} if "patternProperties" in node else found
    return [_bare(item) for item in node] if isinstance(node, list) else node
