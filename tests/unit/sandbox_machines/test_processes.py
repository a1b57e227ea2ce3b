"""Sweeping by mark, and what a command's parameters mean."""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from moto.core.exceptions import ServiceException

from provisioner.sandbox.machines import sweep
from provisioner.sandbox.machines.run import Script, _interpreter
from provisioner.sandbox.machines.scripts import script_of


def test_a_sweep_finds_all_that_inherited_the_mark_and_nothing_else(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    code = (
        "import os, sys, time\n"
        "os.fork() or os.setsid() or os.fork()\n"
        "open(sys.argv[1] + str(os.getpid()), 'w').close()\n"
        "time.sleep(600)"
    )
    environment = dict(os.environ)
    marked = subprocess.Popen([sys.executable, "-c", code, f"{tmp_path}/"], env=environment | {"MARK": mark})
    other = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env=environment | {"MARK": mark[1:]}
    )
    try:
        deadline = time.monotonic() + 20
        while len(list(tmp_path.iterdir())) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert sweep.kill(sweep.marked("MARK", mark))
        marked.wait(timeout=20)
        for file in tmp_path.iterdir():
            assert not Path("/proc", file.name).exists() or sweep._dead(Path("/proc", file.name))
        assert other.poll() is None
    finally:
        marked.kill()
        other.kill()
        marked.wait()
        other.wait()


@pytest.mark.parametrize(
    ("text", "interpreter"),
    [
        ("echo hi\n", ["/bin/sh"]),
        ("#!/bin/bash\n", ["/bin/bash"]),
        ("#! /usr/bin/env -S python3 -u\n", ["/usr/bin/env", "-S python3 -u"]),
        ("#!\n", ["/bin/sh"]),
    ],
)
def test_the_first_line_names_the_interpreter(text: str, interpreter: list[str]) -> None:
    assert _interpreter(text) == interpreter


def test_parameters_of_the_document() -> None:
    asked = {"commands": ["a", "b"], "executionTimeout": ["5"], "workingDirectory": ["/tmp"]}
    assert script_of("AWS-RunShellScript", asked, {}) == Script("a\nb\n", 5.0, "/tmp")
    assert script_of("AWS-RunShellScript", {"commands": ["a"]}, {}) == Script("a\n", 3600.0, None)


@pytest.mark.parametrize(
    ("document", "parameters", "code"),
    [
        ("AWS-RunShellScript", {}, "InvalidParameters"),
        ("AWS-RunShellScript", {"commands": ["a"], "colour": ["red"]}, "InvalidParameters"),
        ("AWS-RunShellScript", {"commands": ["a"], "executionTimeout": ["0"]}, "InvalidParameters"),
        ("AWS-RunPatchBaseline", {"commands": ["a"]}, "InvalidParameters"),
        ("AWS-RunAnsiblePlaybook", {"commands": ["a"]}, "NotSupportedBySandbox"),
        ("mine", {"commands": ["a"]}, "InvalidDocument"),
    ],
)
def test_what_a_command_cannot_ask_for(document: str, parameters: dict[str, list[str]], code: str) -> None:
    with pytest.raises(ServiceException) as caught:
        script_of(document, parameters, {})
    assert caught.value.code == code
