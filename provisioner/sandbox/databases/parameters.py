"""Parameter groups: checked as RDS checks them, and brought to the servers that use them."""

from collections.abc import Iterable, MutableMapping
from typing import Any, ClassVar

from moto.rds.exceptions import DBParameterGroupNotFoundError
from moto.rds.models import DBParameterGroup, RDSBackend

from provisioner.sandbox.databases import rules, settings
from provisioner.sandbox.databases.binaries import find
from provisioner.sandbox.databases.instance import Instance, Keeper, Snapshot

_AT_MOST = 20


class Parameters(RDSBackend):
    """The part of the sandbox's RDS that keeps parameter groups. `keeper` is set once, when the sandbox hooks moto."""

    keeper: ClassVar[Keeper]
    databases: MutableMapping[str, Instance]  # type: ignore[assignment]
    database_snapshots: MutableMapping[str, Snapshot]  # type: ignore[assignment]

    def modify_db_parameter_group(
        self, db_parameter_group_name: str, db_parameter_group_parameters: Iterable[dict[str, Any]]
    ) -> DBParameterGroup:
        given = [dict(parameter) for parameter in db_parameter_group_parameters]
        group = self._own_group(db_parameter_group_name)
        if len(given) > _AT_MOST:
            raise rules.invalid(f"At most {_AT_MOST} parameters can be modified in one request.")
        for parameter in given:
            rules.check_parameter(parameter)
        group.update_parameters([_described(parameter) for parameter in given])
        self._bring(group, {p["ParameterName"] for p in given if p.get("ApplyMethod") == "immediate"})
        return group

    def reset_db_parameter_group(self, name: str, parameters: list[dict[str, Any]], *, every: bool) -> DBParameterGroup:
        """Take parameters back to the engine's defaults, all of them or those named."""
        group = self._own_group(name)
        if bool(parameters) == every:
            raise rules.contradiction("Specify either ResetAllParameters or Parameters.")
        names = set(group.parameters) if every else {parameter["ParameterName"] for parameter in parameters}
        for parameter in names:
            group.parameters.pop(parameter, None)
        pending = {p["ParameterName"] for p in parameters if p.get("ApplyMethod") == "pending-reboot"}
        self._bring(group, names - pending)
        return group

    def ensure_default_group(self) -> None:
        """RDS has a group for those that are given none."""
        family = f"postgres{find().major}"
        if f"default.{family}" not in self.db_parameter_groups:
            description = f"Default parameter group for {family}"
            make: Any = DBParameterGroup  # abstract on paper: moto makes them all the same
            self.db_parameter_groups[f"default.{family}"] = make(self, f"default.{family}", description, family)

    def _own_group(self, name: str) -> DBParameterGroup:
        if name not in self.db_parameter_groups:
            raise DBParameterGroupNotFoundError(name)
        if name.startswith("default."):
            raise rules.invalid("The default parameter group can't be modified.")
        group: DBParameterGroup = self.db_parameter_groups[name]
        return group

    def _bring(self, group: DBParameterGroup, names: set[str]) -> None:
        """Have the dynamic ones of `names` take effect; static ones wait for a reboot."""
        dynamic = {name for name in names if (known := settings.setting(name)) and not known.static}
        wanted = settings.wanted(group.parameters.values())
        for db in self.databases.values():
            if db.group_in_force != group.name or db.group_name != group.name:
                continue  # a group that was given to a running instance has no effect before its reboot
            changed = {n: v for n, v in db.in_force.items() if n not in dynamic}
            changed |= {n: wanted[n] for n in dynamic & wanted.keys()}
            if changed != db.in_force:
                db.in_force = dict(sorted(changed.items()))
                self.keeper.reload(db)


def _described(parameter: dict[str, Any]) -> dict[str, Any]:
    known = settings.setting(parameter["ParameterName"])
    static, kind = (known.static, known.kind) if known else (False, "STRING")
    return {
        **parameter,
        "Source": "user",
        "ApplyType": "static" if static else "dynamic",
        "DataType": "float" if kind == "REAL" else kind.lower(),
        "IsModifiable": True,
    }
