"""AWS-RunPatchBaseline and AWS-RunPatchBaselineWithHooks: what they may be asked for, and the script that does it."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from provisioner.model.errors import SandboxError
from provisioner.sandbox.hooking import Refusal, not_supported

PLUGIN = "PatchLinux"
TIMEOUT = 7200.0  # the documents' own
_PLAIN, _HOOKED = "AWS-RunPatchBaseline", "AWS-RunPatchBaselineWithHooks"
NAMES = frozenset({_PLAIN, _HOOKED})
_CHOICES = {"Operation": ("Scan", "Install"), "RebootOption": ("RebootIfNeeded", "NoReboot")}
_UNSUPPORTED = frozenset({"InstallOverrideList", "BaselineOverride", "AssociationId"})
_HOOKS = {"PreInstallHookDocName": "before", "PostInstallHookDocName": "after", "OnExitHookDocName": "exit"}
_NO_HOOK = "AWS-Noop"


def text(document: str, parameters: Mapping[str, list[str]], documents: Mapping[str, Any]) -> str:
    """The script for a machine. `documents`: moto's, by name, of which hooks are made. Raises the API's errors for what
    can't be asked for, and for a feed that can't be used."""
    given = {name: (values or [""])[0] for name, values in parameters.items()}
    operation = _chosen(document, given, "Operation", None)
    reboot = _chosen(document, given, "RebootOption", "RebootIfNeeded")
    hooks = {}
    for name, value in given.items():
        if name in _UNSUPPORTED and value:
            raise not_supported(f"the parameter {name} of {document}")
        if document == _HOOKED and name in _HOOKS:
            hooks[_HOOKS[name]] = _hook(value, documents)
        elif name not in {*_CHOICES, *_UNSUPPORTED, "SnapshotId"}:
            raise Refusal("InvalidParameters", f"{document} has no parameter {name}")
    order = {"operation": operation, "reboot_option": reboot, "feed": _feed(), "hooks": hooks}
    return f"#!/usr/bin/env python3\n{_agent()}\n\nsys.exit(main(json.loads({json.dumps(order)!r})))\n"


def _chosen(document: str, given: Mapping[str, str], name: str, default: str | None) -> str:
    value = given.get(name, default)
    if value not in _CHOICES[name]:
        words = " or ".join(_CHOICES[name])
        raise Refusal("InvalidParameters", f"{name} of {document} is {value!r}, not {words}")
    return value


def _hook(name: str, documents: Mapping[str, Any]) -> str:
    """The shell lines of a document of one's own."""
    if name in {"", _NO_HOOK}:
        return ""
    if name not in documents:
        raise Refusal("InvalidDocument", f"Document with name {name} does not exist.")
    steps = getattr(documents[name].get_default_version(), "mainSteps", None) or []
    if not steps or any(step.get("action") != "aws:runShellScript" for step in steps):
        raise not_supported(f"the hook {name} with other steps than aws:runShellScript")
    return "\n".join(line for step in steps for line in step["inputs"]["runCommand"])


def _feed() -> dict[str, Any]:
    from provisioner.sandbox.packages import feed

    try:
        return feed.load().model_dump()
    except SandboxError as problem:
        raise Refusal("InternalServerError", str(problem)) from None


@cache
def _agent() -> str:
    return Path(__file__).with_name("agent.py").read_text()
