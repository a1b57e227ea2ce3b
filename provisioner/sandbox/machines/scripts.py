"""What the documents of Run Command ask a machine to do."""

from collections.abc import Mapping
from typing import Any

from provisioner.sandbox.hooking import Refusal, not_supported
from provisioner.sandbox.machines.run import Script
from provisioner.sandbox.packages import documents as patches

DOCUMENT = "AWS-RunShellScript"
_PLUGIN = "aws:runShellScript"
_PARAMETERS = {"commands", "workingDirectory", "executionTimeout"}
_LONGEST_TIMEOUT = 172_800


def plugin_of(document: str | None) -> str:
    """The name of the document's one step."""
    return patches.PLUGIN if document in patches.NAMES else _PLUGIN


def script_of(document: str | None, parameters: Mapping[str, list[str]], documents: Mapping[str, Any]) -> Script:
    """What the command asks for; `documents`: the region's own. Raises the API's errors for what it can't ask for."""
    if document in patches.NAMES:
        return Script(patches.text(str(document), parameters, documents), patches.TIMEOUT, None)
    if document != DOCUMENT:
        known = str(document).startswith("AWS-") or document in documents
        raise (
            not_supported(f"the document {document}")
            if known
            else Refusal("InvalidDocument", f"Document with name {document} does not exist.")
        )
    unknown = set(parameters) - _PARAMETERS
    if unknown or not parameters.get("commands"):
        raise Refusal(
            "InvalidParameters", f"parameters of {DOCUMENT} are wrong: {', '.join(sorted(unknown)) or 'no commands'}"
        )
    timeout = (parameters.get("executionTimeout") or ["3600"])[0]
    if not timeout.isdecimal() or not 1 <= int(timeout) <= _LONGEST_TIMEOUT:
        raise Refusal("InvalidParameters", f"executionTimeout is {timeout!r}, not 1 to {_LONGEST_TIMEOUT} seconds")
    directory = (parameters.get("workingDirectory") or [""])[0] or None
    return Script("\n".join(parameters["commands"]) + "\n", float(timeout), directory)
