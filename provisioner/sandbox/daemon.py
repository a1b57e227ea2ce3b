"""`python -m provisioner.sandbox.daemon --home DIR`: the process that is the sandbox.

With `--detach` it leaves its starter and logs to `daemon.log`. What comes of the start is written to `--report-fd` as
JSON: {} when it serves, {"error": {"message", "hint"}} when it can't.
"""

import argparse
import json
import logging
import os
import signal
import sys
from pathlib import Path
from threading import Event

from provisioner.model.errors import ProvisionError
from provisioner.sandbox import imports, info, lock

_LOG_BYTES = 5_000_000
_PREDECESSOR_SECONDS = 10.0
_ENVIRONMENT = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "MOTO_ACCOUNT_ID": info.ACCOUNT,
    "MOTO_ACM_VALIDATION_WAIT": "0",
    "MOTO_DISABLE_GLOBAL_CORS": "true",  # no web page of the user's browser has business here
    "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "true",
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",  # 860 kB of state for each region
    "MOTO_ENABLE_AMI_VALIDATION": "true",
    "NO_PROXY": "*",
}
log = logging.getLogger("provisioner.sandbox.daemon")


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT or the control API's stop. Returns the exit code."""
    options = _parse(argv)
    if options.detach and os.fork():
        os._exit(0)  # the starter waits for this one only
    report = os.fdopen(options.report_fd, "w") if options.report_fd is not None else sys.stderr
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        home: Path = options.home.absolute()
        _prepare(home, detach=options.detach)
        imports.make_cheap()
        from provisioner.sandbox.cloud import SandboxCloud

        cloud = SandboxCloud(home, stopping)
        cloud.start()
    except ProvisionError as problem:
        log.error("not started: %s", problem)
        json.dump({"error": {"message": problem.message, "hint": problem.hint}}, report)
        return int(problem.exit_code)
    if report is not sys.stderr:
        report.write("{}")
        report.close()
    stopping.wait()
    cloud.stop()
    logging.shutdown()
    os._exit(0)  # all is written; a connection or a call that hangs shall not keep the process, and its lock, alive


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m provisioner.sandbox.daemon", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--detach", action="store_true", help="leave the starter; log to daemon.log")
    parser.add_argument("--report-fd", type=int)
    return parser.parse_args(argv)


def _prepare(home: Path, *, detach: bool) -> None:
    """Home, its lock (held until the process ends), log and environment."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o711 if os.geteuid() == 0 else 0o700)  # under root, bodies have uids of their own and pass here
    lock.hold(home, _PREDECESSOR_SECONDS)  # until the process ends
    if detach:
        _log_to(home / info.LOG)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in [n for n in os.environ if n.startswith(("AWS_", "MOTO_")) or n.lower().endswith("_proxy")]:
        del os.environ[name]  # of the user who happened to start it; the daemon serves all of the home's clients
    os.environ.update(_ENVIRONMENT)


def _log_to(file: Path) -> None:
    if file.exists() and file.stat().st_size > _LOG_BYTES:
        file.replace(file.with_suffix(".log.1"))
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(handle, stream)
    os.close(handle)


if __name__ == "__main__":
    sys.exit(main())
