"""`make bench`: what a user waits for, as a table and as JSON.

    python -m benchmarks [--fleet N] [--runs N] [--json FILE]

All of it is measured from outside, with the real command in processes of their own, in a home of its own.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.figures import cheap, on_sandbox, table
from tests.installation import Installation


def main() -> None:
    """Measure, print the table on stderr and the JSON on stdout (or into a file)."""
    words = argparse.ArgumentParser(prog="python -m benchmarks")
    words.add_argument("--fleet", type=int, default=50, help="tenants that are really made (default 50)")
    words.add_argument("--runs", type=int, default=7, help="runs of each cheap command (default 7)")
    words.add_argument("--json", type=Path, help="write the JSON here instead of stdout")
    said = words.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="provision-bench-"))
    installation = Installation(folder)
    try:
        figures = [*cheap(folder / "thousand", said.runs), *on_sandbox(installation, said.fleet)]
    finally:
        installation.end()
        shutil.rmtree(folder, ignore_errors=True)
    text = json.dumps([f.as_dict() for f in figures], indent=2) + "\n"
    if said.json:
        said.json.write_text(text)
    else:
        sys.stdout.write(text)
    sys.stderr.write(table(figures))


if __name__ == "__main__":
    main()
