"""The part of the daemon that gives EC2 instances a body."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from provisioner.sandbox.launch import Launcher
from provisioner.sandbox.machines import body, hooks, roles, ssm, states, tools, userdata
from provisioner.sandbox.machines.body import Body
from provisioner.sandbox.machines.commands import Commands
from provisioner.sandbox.machines.machine import Machine
from provisioner.sandbox.machines.place import Place, listen_port
from provisioner.sandbox.machines.tools import Tools
from provisioner.sandbox.packages import report
from provisioner.sandbox.world import World

_STOP_SECONDS = 25.0


class Machines:
    """All machines of the daemon, by instance id."""

    name = "machines"

    def __init__(self, changed: Callable[[], None]) -> None:
        """`changed` is called, under the world's lock, whenever an instance has reached a state."""
        self._changed = changed

    def install(self, world: World) -> None:
        """Hook EC2 and SSM."""
        self._world = world
        self._machines: dict[str, Machine] = {}
        self._launcher = Launcher(world.home, world.block)
        self._tools: Tools = tools.install(world.folder("bin"))
        self._commands = Commands(world, self._machines.get)
        hooks.install(self)
        self._commands.install()
        ssm.install(world, self._commands)
        report.install(self._patched)

    def restore(self) -> None:
        """Adopt and start the machines of the loaded state; end and delete what the state knows nothing of."""
        with self._world.lock:
            for instance in states.all_instances(self._world.account):
                # The server answers already: somebody may have made an instance since.
                if states.state_of(instance) != states.TERMINATED and instance.id not in self._machines:
                    self.appear(instance)
            self._commands.restore()
        for folder in self._world.folder("machines").iterdir():
            if folder.name not in self._machines:
                place = Place(folder, self._launcher.uid(body.key(folder.name)))
                body.end(place, folder.name)
                place.remove()
                self._launcher.release(body.key(folder.name))

    def status(self) -> list[dict[str, Any]]:
        """One row for each machine."""
        with self._world.lock:
            machines = list(self._machines.values())
            rows = [(m, states.state_of(m.instance), _tenant(m.instance)) for m in machines]
        return [
            {
                "id": machine.instance.id,
                "tenant": tenant,
                "kind": "machine",
                "state": state,
                "address": f"{machine.body.address.host}:{machine.body.address.port}",
                "pid": process.pid if (process := machine.body.running()) else None,
                "uid": machine.body.place.uid,
                "notes": [*machine.notes, *self._notes()],
            }
            for machine, state, tenant in rows
            if state != states.TERMINATED
        ]

    def stop(self) -> None:
        """End all machines side by side; those that were running will run again after the next start."""
        machines = list(self._machines.values())
        for machine in machines:
            machine.close()
        deadline = time.monotonic() + _STOP_SECONDS
        for machine in machines:
            machine.join(max(0.0, deadline - time.monotonic()))

    def appear(self, instance: Any) -> None:
        """Give an instance a body. Needs the world's lock."""
        world = self._world
        name = body.key(instance.id)
        place = Place(world.folder("machines") / instance.id, self._launcher.uid(name))
        found = Body(
            world=world,
            launcher=self._launcher,
            tools=self._tools,
            instance_id=instance.id,
            region=instance.region_name,
            image_id=instance.image_id,
            place=place,
            address=world.addresses.take(name, listen_port(userdata.of(instance))),
        )
        machine = self._machines[instance.id] = Machine(instance, found, self._reached)
        machine.begin()

    def wake(self, instance_id: str) -> None:
        """Have a machine look at its instance."""
        if machine := self._machines.get(instance_id):
            machine.wake()

    def reboot(self, instance_id: str) -> None:
        """Reboot a machine."""
        if machine := self._machines.get(instance_id):
            machine.reboot()

    def healthy(self, instance_id: str) -> bool:
        """Whether a machine's product runs."""
        machine = self._machines.get(instance_id)
        return machine is not None and machine.healthy

    def console(self, instance_id: str) -> str:
        """The end of a machine's console; empty once it is gone."""
        machine = self._machines.get(instance_id)
        return machine.body.place.console() if machine else ""

    def _reached(self, instance_id: str, state: str) -> None:
        self._changed()
        if state != states.TERMINATED:
            return
        self._machines.pop(instance_id, None)
        states.forget_old(self._world.account)
        roles.revoke(self._world, instance_id)
        self._world.addresses.release(body.key(instance_id))
        self._launcher.release(body.key(instance_id))

    def _patched(self, instance_id: str) -> report.Patched | None:
        machine = self._machines.get(instance_id)
        if machine is None:
            return None
        place, tags = machine.body.place, machine.instance.ec2_backend.tags.get(instance_id) or {}
        return report.Patched(place.root, place.uid, str(tags.get("Patch Group") or tags.get("PatchGroup") or ""))

    def _notes(self) -> Iterator[str]:
        if not self._launcher.own_uids:
            yield f"runs under {self._launcher.isolation}"
        for tool in self._tools.missing:
            yield f"the host has no {tool}"


def _tenant(instance: Any) -> str | None:
    return (instance.ec2_backend.tags.get(instance.id) or {}).get("provision:tenant")
