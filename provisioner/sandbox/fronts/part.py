"""The part of the daemon that gives Elastic IPs and load balancers an address that really forwards."""

import asyncio
import logging
from threading import Event, Thread
from typing import Any

from moto.elbv2.models import FakeHealthStatus

from provisioner.sandbox.fronts import hooks, snapshot
from provisioner.sandbox.fronts.forwarder import Forwarder
from provisioner.sandbox.fronts.health import INITIAL, Health, HealthChecks
from provisioner.sandbox.fronts.plan import Direct, Forward, Plan
from provisioner.sandbox.machines import states
from provisioner.sandbox.world import Measured, World

_NAMESPACE = "AWS/ApplicationELB"
_RETRY_SECONDS = 1.0
_STOP_SECONDS = 5.0
_NOT_IN_USE = Health(
    "unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"
)
_NOT_REGISTERED = Health("unused", "Target.NotRegistered", "Target is not registered to the target group")
_DRAINING = Health("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
log = logging.getLogger(__name__)


class Fronts:
    """Follows moto's models: a hook that changes them calls `refresh`, and the event loop forwards as they say then."""

    name = "fronts"

    def install(self, world: World) -> None:
        """Hook Elastic IPs and load balancers."""
        self._world = world
        self._plan = Plan()
        self._checks = HealthChecks()
        self._forwarder = Forwarder(self._checks)
        self._ready = Event()
        self._thread = Thread(target=lambda: asyncio.run(self._follow()), name="fronts", daemon=True)
        hooks.install(world, self)

    def restore(self) -> None:
        """Listen on every address of the loaded state."""
        self._thread.start()
        self._ready.wait()
        self.refresh()

    def refresh(self) -> None:
        """Forward as the models say from now on. Returns before it is done; may be called under the world's lock."""
        if self._ready.is_set():
            self._loop.call_soon_threadsafe(self._changed.set)

    def stop(self) -> None:
        """Close every address."""
        if self._ready.is_set():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._loop.call_soon_threadsafe(self._changed.set)
            self._thread.join(_STOP_SECONDS)

    def status(self) -> list[dict[str, Any]]:
        """One row for each address."""
        errors = self._forwarder.errors()
        rows = [
            {
                "id": front.id,
                "tenant": front.tenant,
                "kind": front.kind,
                "state": "failed" if front.id in errors else "forwarding",
                "address": f"{front.address.host}:{front.address.port}",
                "target": front.action.instance_id if isinstance(front.action, Direct) else None,
                "notes": [errors[front.id]] if front.id in errors else [],
            }
            for front in self._plan.fronts
        ]
        return rows + [
            {
                "id": idle.id,
                "tenant": idle.tenant,
                "kind": idle.kind,
                "state": "idle",
                "address": f"{idle.address.host}:{idle.address.port}",
                "target": None,
                "notes": [idle.reason],
            }
            for idle in self._plan.idle
        ]

    def measure(self) -> list[Measured]:
        """Targets that are unhealthy, and answers of targets that were errors, by balancer and group."""
        plan, failed = self._plan, self._forwarder.failed()
        groups = {group.arn: group for group in plan.groups}
        found = []
        for front in plan.fronts:
            for arn, _ in front.action.groups if isinstance(front.action, Forward) else ():
                dimensions = {
                    "LoadBalancer": front.id.partition(":listener/")[2].rpartition("/")[0],
                    "TargetGroup": arn.rpartition(":")[2],
                }
                targets = groups[arn].targets if arn in groups else ()
                known = [self._checks.of(arn, target.instance_id) for target in targets]
                unhealthy = sum(health is not None and health.state == "unhealthy" for health in known)
                found.append(Measured(_NAMESPACE, "UnHealthyHostCount", dimensions, float(unhealthy)))
                if arn in failed:  # as in CloudWatch, nothing is said of none
                    found.append(Measured(_NAMESPACE, "HTTPCode_Target_5XX_Count", dimensions, float(failed[arn])))
        return found

    def drain(self, group_arn: str, instance_id: str, seconds: float) -> None:
        """Let the connections of a deregistered target end."""
        if self._ready.is_set():
            self._loop.call_soon_threadsafe(self._forwarder.drain, group_arn, instance_id, seconds)

    def draining(self, group: Any) -> list[dict[str, Any]]:
        """Deregistered targets of a group that still have connections."""
        return [t for t in group.deregistered_targets.values() if self._forwarder.drains(group.arn, t["Id"])]

    def health(self, group: Any, target: dict[str, Any]) -> FakeHealthStatus:
        """Health of a target. Needs the world's lock."""
        registered = group.targets.get(target["Id"])
        port = (registered or target).get("Port", group.port)
        found = self._health(group, target["Id"], registered=registered is not None)
        return FakeHealthStatus(
            target["Id"], port, group.health_check_port, found.state, found.reason, found.description
        )

    def _health(self, group: Any, instance_id: str, *, registered: bool) -> Health:
        if not registered:
            return _DRAINING if self._forwarder.drains(group.arn, instance_id) else _NOT_REGISTERED
        if not snapshot.used_by_listeners(_elb(group), group.arn):
            return _NOT_IN_USE
        instance = group.ec2_backend.get_instance_by_id(instance_id)
        state = states.state_of(instance) if instance is not None else states.TERMINATED
        if state != states.RUNNING:
            return Health("unused", "Target.InvalidState", f"Target is in the {state} state")
        return self._checks.of(group.arn, instance_id) or INITIAL

    async def _follow(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed, self._stopping = asyncio.Event(), asyncio.Event()
        self._ready.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._stopping.is_set():
                await self._forwarder.close()
                return
            try:
                self._plan = await asyncio.to_thread(self._read)
                complete = await self._forwarder.apply(self._plan)
            except Exception:  # what forwards now goes on forwarding
                log.exception("fronts could not follow a change")
                complete = False
            if not complete:
                self._loop.call_later(_RETRY_SECONDS, self._changed.set)

    def _read(self) -> Plan:
        with self._world.lock:
            return snapshot.read(self._world)


def _elb(group: Any) -> Any:
    from moto.elbv2.models import elbv2_backends

    return elbv2_backends[group.account_id][group.region_name]
