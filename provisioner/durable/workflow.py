"""The one workflow, whose source never changes: what an operation does is in its definition, not here.

An edit of `run_operation`, or of the steps of a kind of operation (ops/definitions.py), needs a new VERSION; a test
holds them together (tests/unit/durable/test_workflow.py). DBOS is imported by the process that runs an operation and by
no other.
"""

from typing import cast

from dbos import DBOS

from provisioner.durable.attempt import Attempt
from provisioner.model.json import JsonDict

VERSION = "wf-1"
NAME = "run_operation"
ATTEMPTS: dict[str, Attempt] = {}
"""Attempts of this process by workflow id: a lease, a cancel flag and a terminal can't go through a database."""


@DBOS.workflow(name=NAME)
def run_operation(operation_id: str, fence: int) -> JsonDict:  # noqa: ARG001 - for whoever reads DBOS's tables
    """Run what is left of the attempt, each step as a step of DBOS. Returns the last step's result."""
    workflow_id = cast("str", DBOS.workflow_id)
    attempt = ATTEMPTS[workflow_id]
    try:
        for step in attempt.steps:
            DBOS.run_step({"name": step.name}, attempt.run, step)
        return attempt.result
    finally:
        del ATTEMPTS[workflow_id]
        attempt.idle.set()
