"""The workflow's source is part of its version; nothing imports DBOS before an operation runs."""

import hashlib
import inspect
import subprocess
import sys

from provisioner.durable.runtime import JsonSerializer
from provisioner.durable.workflow import VERSION, run_operation
from provisioner.model.errors import ProvisionError

_SOURCES = {"wf-1": "8161a079ad0342ed"}


def test_another_source_needs_another_version() -> None:
    source = inspect.getsource(inspect.unwrap(run_operation))
    assert hashlib.sha256(source.encode()).hexdigest()[:16] == _SOURCES[VERSION], "give the workflow a new VERSION"


def test_the_serializer_is_json_and_keeps_errors_readable() -> None:
    serializer = JsonSerializer()
    assert serializer.deserialize(serializer.serialize({"a": [1, None, "ü"]})) == {"a": [1, None, "ü"]}
    told = serializer.deserialize(serializer.serialize(ProvisionError("no capacity")))
    assert told == {"error": "ProvisionError", "message": "no capacity"}


def test_dbos_is_not_imported_with_the_room() -> None:
    code = "import sys, provisioner.durable.operations; print([m for m in ('dbos', 'sqlalchemy') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
