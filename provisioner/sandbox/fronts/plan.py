"""What should be forwarded where: plain values, read from moto's models at one moment."""

from dataclasses import dataclass

from provisioner.sandbox.addresses import Address


@dataclass(frozen=True, slots=True)
class Check:
    """How a target group checks its targets. Times in seconds; `codes` are inclusive ranges of HTTP status codes."""

    protocol: str
    path: str
    interval: float
    timeout: float
    healthy_after: int
    unhealthy_after: int
    codes: tuple[tuple[int, int], ...]

    def accepts(self, status: int) -> bool:
        """Whether the matcher takes this HTTP status."""
        return any(first <= status <= last for first, last in self.codes)


@dataclass(frozen=True, slots=True)
class Target:
    """A registered instance: where it gets requests and where it is checked. `idle` says why it gets neither."""

    instance_id: str
    address: Address
    check_address: Address
    idle: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A target group that some listener forwards to."""

    arn: str
    check: Check
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Direct:
    """An Elastic IP's association: every connection goes to this machine."""

    instance_id: str
    upstream: Address


@dataclass(frozen=True, slots=True)
class Forward:
    """A listener's `forward`: target groups with their weights. `http` says whether errors are answered in HTTP."""

    groups: tuple[tuple[str, int], ...]
    http: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """A listener's `fixed-response`."""

    status: int
    content_type: str
    body: str


@dataclass(frozen=True, slots=True)
class Redirect:
    """A listener's `redirect`, its `#{...}` placeholders unexpanded. `own_port` is the listener's."""

    status: int
    protocol: str
    host: str
    port: str
    path: str
    query: str
    own_port: int


Action = Direct | Forward | Answer | Redirect


@dataclass(frozen=True, slots=True)
class Front:
    """One listening socket. `id` is the allocation id or the listener's ARN; `address` is on loopback."""

    id: str
    kind: str
    tenant: str | None
    address: Address
    action: Action


@dataclass(frozen=True, slots=True)
class Idle:
    """An address that is given but listens to nothing, and why."""

    id: str
    kind: str
    tenant: str | None
    address: Address
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that should be listened on and checked."""

    fronts: tuple[Front, ...] = ()
    groups: tuple[Group, ...] = ()
    idle: tuple[Idle, ...] = ()
