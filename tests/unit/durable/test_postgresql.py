"""The ledger and DBOS's tables on a server, as several hosts have them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from provisioner.ledger.store import open_ledger
from provisioner.model.clock import SystemClock
from provisioner.model.errors import ProvisionError
from provisioner.model.json import JsonDict
from provisioner.model.ports import StepContext
from tests.unit.durable.conftest import Durable
from tests.unit.ledger.postgres import server


@pytest.fixture
def folder() -> Iterator[str]:
    with server() as socket_folder, psycopg.connect(host=socket_folder, user="postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE ledger")
        connection.execute("CREATE DATABASE durable")
        yield socket_folder


def test_operations_on_postgresql(folder: str, tmp_path: Path) -> None:
    ledger = open_ledger(f"postgresql://postgres@/ledger?host={folder}", SystemClock())
    durable = Durable(tmp_path, ledger, database_url=f"postgresql://postgres@/durable?host={folder}")

    def fail(_: StepContext) -> JsonDict:
        raise ProvisionError("not yet")

    durable.acts["two"] = fail
    with pytest.raises(ProvisionError, match="not yet"):
        durable.run()
    durable.restart()
    durable.acts.clear()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda n: durable.run(f"op-{n:06}", "acme" if n == 1 else f"t{n}"), range(1, 7)))
    assert results == [{"step": "three", "before": ["one", "two"]}] * 6
    assert durable.effects.count(("acme", "one")) == 1
    ledger.verify_journal()
    durable.restart()
    ledger.close()
