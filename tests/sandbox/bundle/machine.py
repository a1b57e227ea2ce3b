"""A machine with a real systemd of its own: namespaces, an overlay over this machine's files, and only our units.

What it writes ends with it. It shares this machine's loopback, so that PostgreSQL and the test reach it.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

SYSTEMD = next((p for p in map(Path, ("/lib/systemd/systemd", "/usr/lib/systemd/systemd")) if p.exists()), None)
_PATH = "/srv/postgres/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TARGETS = ("sysinit", "basic", "multi-user", "network-online", "shutdown", "default", "rescue", "emergency")
_ENTER = ["--mount", "--pid", "--uts", "--ipc"]

# In the namespaces: build the machine's files and become its process 1.
_BOOT = """
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --bind proc/sys proc/sys && mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
if [ "$2" = 2 ]; then
  mount -t cgroup2 cgroup sys/fs/cgroup
else
  mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
  mkdir sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
  mount -o remount,ro sys/fs/cgroup # so that it mounts no other hierarchy: those are this machine's
fi
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/shm dev/pts
for node in null zero full random urandom tty; do : > "dev/$node"; mount --bind "/dev/$node" "dev/$node"; done
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for folder in tmp run opt srv var/lib usr/lib/systemd/system usr/lib/systemd/system-generators etc/systemd/system; do
  mount -t tmpfs -o mode=755 tmpfs "$folder"
done
chmod 1777 tmp
targets=$3
shift 3
for target in $targets; do
  printf '[Unit]\\nDefaultDependencies=no\\n' > "usr/lib/systemd/system/$target.target"
done
while [ $# -gt 0 ]; do mkdir "srv/$1"; mount --rbind "$2" "srv/$1"; shift 2; done
pivot_root . mnt
cd /
umount -l /mnt
exec env -i container=other PATH="$PATH" "$SYSTEMD" --system --unit=multi-user.target --show-status=0
"""


class Machine:
    """One machine; `shared` are folders that it sees below /srv by their names."""

    def __init__(self, home: Path, shared: Mapping[str, Path]) -> None:
        home.mkdir()
        (home / "files").mkdir()
        (home / "boot").write_text(_BOOT)
        version = "1" if Path("/sys/fs/cgroup/systemd").is_dir() else "2"
        self._cgroup = Path("/sys/fs/cgroup", *(["systemd"] if version == "1" else []), f"provision-test-{os.getpid()}")
        self._cgroup.mkdir()
        words = [word for name, path in shared.items() for word in (name, str(path))]
        boot = [str(home / "boot"), str(home / "files"), version, " ".join(_TARGETS), *words]
        # Whatever ends the test ends the machine.
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--kill-child", "--mount", "--pid", "--fork"]
        command += ["--uts", "--ipc", "--cgroup", "--propagation", "private"]
        joined = 'echo $$ > "$CGROUP/cgroup.procs" && exec "$@"'
        self._log = home / "log"
        self._outer = subprocess.Popen(
            ["sh", "-euc", joined, "sh", *command, "sh", "-eu", *boot],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "CGROUP": str(self._cgroup), "SYSTEMD": str(SYSTEMD)},
            stdin=subprocess.DEVNULL,
            stdout=self._log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._wait()

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command on it as root, to its end."""
        return subprocess.run(
            [
                "nsenter",
                "--target",
                str(self._first()),
                *_ENTER,
                "env",
                "-C",
                "/",
                "-i",
                f"PATH={_PATH}",
                "HOME=/",
                *command,
            ],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=120,
            start_new_session=True,
        )

    def ok(self, *command: str) -> str:
        """Run a command that must succeed; its stdout."""
        done = self.run(*command)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}\n{self._units()}"
        return done.stdout

    def _units(self) -> str:
        return self.run("systemctl", "status", "--all", "--no-pager", "*.service").stdout

    def end(self) -> None:
        """Kill process 1, and everything with it."""
        with contextlib.suppress(ProcessLookupError, IndexError, FileNotFoundError):
            os.kill(self._first(), signal.SIGKILL)
        self._outer.wait(30)
        for folder in sorted(self._cgroup.rglob("*"), reverse=True):
            if folder.is_dir():
                folder.rmdir()
        self._cgroup.rmdir()

    def _first(self) -> int:
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
        return int(children[0])

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(IndexError, FileNotFoundError):
                if self.run("systemctl", "show", "--property=Version").returncode == 0:
                    return
            if self._outer.poll() is not None or time.monotonic() > deadline:
                self.end()
                raise RuntimeError(f"no systemd could be booted: {self._log.read_text()[-2000:]}")
            time.sleep(0.1)


def missing() -> str | None:
    """Why no machine can be made here; None where it can."""
    if os.geteuid() != 0:
        return "a systemd of its own needs root"
    if SYSTEMD is None:
        return "there is no systemd here"
    absent = [
        tool
        for tool in ("unshare", "nsenter", "setpriv", "runuser", "useradd", "systemctl")
        if shutil.which(tool) is None
    ]
    return f"there is no {', '.join(absent)}" if absent else None
