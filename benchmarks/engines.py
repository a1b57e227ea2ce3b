"""Both engines on the same stack and provider, in one run, as a table and as JSON.

    python -m benchmarks.engines [--runs N] [--stacks N] [--json FILE]

The provider is the small one of the engine's tests, in a process of its own: it costs both engines the same and next
to nothing, so that what is measured is the engine. The stack has 25 resources below a component, with dependencies.
"""

import argparse
import json
import multiprocessing
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.figures import Figure, table
from provisioner.engines.embedded.engine import EmbeddedEngine
from provisioner.engines.pulumi_cli.cli import find
from provisioner.engines.pulumi_cli.engine import Backend, PulumiCliEngine
from provisioner.model.errors import ProvisionError
from provisioner.model.ports import Engine, Stack
from tests.unit.engine import toy

RESOURCES = 25
AT_ONCE = 8
THROUGHPUT, NO_OP = 5.0, 8.0
"""Aims: how many times the CLI's throughput on many stacks, and how many times faster on a no-op."""


def program() -> None:
    """A component with resources in rows of five, each row after the one before."""
    import pulumi

    provider = toy.Toy()
    box = toy.Box("box", pulumi.ResourceOptions(providers=[provider]))
    row: list[toy.Thing] = []
    for number in range(RESOURCES - 3):
        above = row[number - 5].arn if number >= 5 else "nothing"
        row.append(toy.Thing(f"thing-{number}", pulumi.ResourceOptions(parent=box), above=above, number=number))
    pulumi.export("last", row[-1].arn)


def main() -> None:
    """Measure, print the table on stderr and the JSON on stdout (or into a file)."""
    words = argparse.ArgumentParser(prog="python -m benchmarks.engines")
    words.add_argument("--runs", type=int, default=5, help="runs of what is done on one stack (default 5)")
    words.add_argument("--stacks", type=int, default=16, help="stacks at once (default 16)")
    words.add_argument("--json", type=Path, help="write the JSON here instead of stdout")
    said = words.parse_args()
    try:
        cli = find(Path("/nonexistent"))
    except ProvisionError as error:
        sys.exit(f"not measured: {error.message}; {error.hint}")
    folder = Path(tempfile.mkdtemp(prefix="provision-engines-"))
    try:
        with _provider() as port:
            ours = EmbeddedEngine(folder / "ours", lambda: "benchmark", lambda _: f"127.0.0.1:{port}")
            state = folder / "theirs" / "state"
            state.mkdir(parents=True)
            environ = {
                "PULUMI_CONFIG_PASSPHRASE": "benchmark",
                "PULUMI_DEBUG_PROVIDERS": f"toy:{port}",
                "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
                "PULUMI_HOME": str(folder / "theirs" / "home"),
            }
            backend = Backend(f"file://{state}", "passphrase", lambda: environ)
            theirs = PulumiCliEngine(folder / "theirs", lambda: cli, backend, lambda *_: None)
            figures = _compare(ours, theirs, said.runs, said.stacks)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = json.dumps({"cli": cli.version, "figures": [f.as_dict() for f in figures]}, indent=2) + "\n"
    if said.json:
        said.json.write_text(text)
    else:
        sys.stdout.write(text)
    sys.stderr.write(f"Pulumi CLI {cli.version}, {RESOURCES} resources a stack\n{table(figures)}")


def _compare(ours: Engine, theirs: Engine, runs: int, stacks: int) -> list[Figure]:
    """One stack at a time, the engines in turn, medians; then many stacks at once."""
    engines = {"embedded": ours, "cli": theirs}
    for name, engine in engines.items():  # what is paid once: imports, the key, the first start of the CLI
        engine.up(Stack("tenant", f"first-{name}", program))
    took: dict[tuple[str, str], list[float]] = {}
    for run in range(runs):
        for name, engine in engines.items():
            stack = Stack("tenant", f"one-{run}", program)
            for what in ("create", "no-op"):
                took.setdefault((name, what), []).append(_time(lambda e=engine, s=stack: e.up(s)))  # type: ignore[misc]
    figures = []
    for what in ("create", "no-op"):
        seconds = {name: statistics.median(took[name, what]) for name in engines}
        figures += [Figure(f"{what} of one stack, {name}", seconds[name], "s") for name in engines]
        ratio, least = seconds["cli"] / seconds["embedded"], NO_OP if what == "no-op" else 0.0
        figures.append(Figure(f"{what} of one stack: CLI / embedded", ratio, "times", least=least))
    for what in ("create", "no-op"):
        rate = {name: stacks / _many(engine, stacks) for name, engine in engines.items()}
        figures += [Figure(f"{what} of {stacks} stacks, {name}", rate[name], "stacks/s") for name in engines]
        ratio = rate["embedded"] / rate["cli"]
        figures.append(Figure(f"{what} of {stacks} stacks: embedded / CLI", ratio, "times", least=THROUGHPUT))
    return figures


def _many(engine: Engine, stacks: int) -> float:
    def all_of_them() -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda n: engine.up(Stack("tenant", f"many-{n}", program)), range(stacks)))

    return _time(all_of_them)


def _time(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


@contextmanager
def _provider() -> Iterator[int]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join()


def _serve(pipe: Connection) -> None:
    with toy.served(toy.Cloud()) as cloud:
        pipe.send(int(cloud.address.rpartition(":")[2]))
        try:
            pipe.recv()
        except EOFError:
            return


if __name__ == "__main__":
    main()
