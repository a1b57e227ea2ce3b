"""What must happen to a resource that the program registers (deploy/step_generator.go). One plan at a time."""

import threading
from typing import Any

from provisioner.engines.embedded import paths, values
from provisioner.engines.embedded.dependents import cascades, required_replacements
from provisioner.engines.embedded.diffs import Diff, compared, with_replace_on_changes
from provisioner.engines.embedded.graph import Graph
from provisioner.engines.embedded.plan import Alias, Goal, PlannedStep, Registration, wanted
from provisioner.engines.embedded.run import Run
from provisioner.engines.embedded.state import (
    Resource,
    is_provider,
    make_urn,
    name_of,
    split_reference,
    type_of,
)
from provisioner.engines.embedded.values import Props
from provisioner.model.change import StepOp
from provisioner.model.errors import EngineError


class Planner:
    """Holds what was decided so far in a run. Callers hold `Run.planning`."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._registry = run.registry
        self.urns: set[str] = set()
        self.skipped: set[str] = set()
        self.deletes: set[str] = set()
        self.condemned: dict[Resource, threading.Event] = {}
        """What another one's replacement deletes first; set when that has been tried."""
        self._kept: set[str] = set()
        self._created: set[str] = set()
        self._replaces: set[str] = set()
        self._aliased: dict[str, str] = {}
        self._aliases: dict[str, str] = {}
        self._providers: dict[str, Resource] = {}
        self._because: dict[str, tuple[str, ...]] = {}
        self._olds = {r.urn: r for r in run.journal.base if not r.delete}

    def operated_on(self, urn: str) -> bool:
        """Whether the program still has it, under this or a newer name."""
        return self._aliased.get(urn, urn) in self._kept

    def waits(self, resource: Resource) -> bool:
        """Whether something of the state has failed or was skipped, so that what it needs must stay."""
        urn = self._aliased.get(resource.urn, resource.urn)
        return urn in self.skipped or urn in self._run.errored

    def start(self, goal: Goal) -> Registration:
        """Name the resource and find what the state has of it. Raises EngineError for a name that is taken."""
        urn = self._name(goal.parent, goal.type, goal.name)
        old, alias = self._find_old(urn, goal)
        new = wanted(goal, urn, old, alias)
        if is_provider(goal.type):
            self._providers[urn] = new
            if alias:
                self._providers[alias] = new
        return Registration(goal, urn, old, new, alias)

    def skip(self, registration: Registration) -> bool:
        """Whether something that it needs has failed, so that it must wait for another run. The state keeps it."""
        blocked = self.skipped | self._run.errored
        unknown = not self._run.preview and values.has_unknown(registration.goal.inputs)
        if not unknown and not any(urn in blocked for urn in registration.new.requires()):
            return False
        self.skipped.add(registration.urn)
        self._kept.add(registration.urn)
        return True

    def steps(self, registration: Registration) -> list[PlannedStep]:
        """The steps; for an import only that, and then `imported` has the rest."""
        goal, old = registration.goal, registration.old
        held = (old.import_id or old.id) if old is not None else ""
        if goal.custom and goal.import_id and (old is None or old.external or held != goal.import_id):
            return self._import(registration)
        return self._check_and_diff(registration, recreating=old in self.condemned)

    def imported(self, registration: Registration, found: Resource) -> list[PlannedStep]:
        """Go on from what an import has found, as if it had always been in the state."""
        goal = registration.goal
        registration.old = found
        registration.new = wanted(goal, registration.urn, found, registration.alias)
        return self._check_and_diff(registration, recreating=False)

    def read(self, goal: Goal, identifier: str) -> list[PlannedStep]:
        """`Resource.get`: somebody else's resource, which this stack only looks at."""
        urn = self._name(goal.parent, goal.type, goal.name)
        old, alias = self._find_old(urn, goal)
        new = wanted(goal, urn, old, alias)
        new.external, new.id = True, identifier
        self._kept.add(urn)
        if old is not None and not old.external and old.id != identifier:
            self._replaces.add(urn)
            return [PlannedStep(StepOp.READ, old, new, replacing=True), PlannedStep(StepOp.REPLACE, old, new)]
        return [PlannedStep(StepOp.READ, old, new)]

    def deletions(self) -> list[PlannedStep]:
        """What the program doesn't have any more, and what was replaced."""
        found = []
        for resource in self._run.journal.base:
            if resource.delete:
                if resource in self.condemned:
                    continue
                found.append(PlannedStep(StepOp.DELETE_REPLACED, resource))
            elif not self.operated_on(resource.urn):
                found.append(PlannedStep(StepOp.DELETE, resource))
            else:
                continue
            self.deletes.add(resource.urn)
            self._ensure(resource)
        return found

    def _name(self, parent: str, kind: str, name: str) -> str:
        if parent and parent not in self.urns:
            raise EngineError(f"{kind} {name} has a parent that was not registered: {parent}")
        urn = make_urn(self._run.stack.name, self._run.stack.project, parent, kind, name)
        if urn in self.urns:
            raise EngineError(f"two resources have the same URN {urn}", hint="give one of them another name")
        self.urns.add(urn)
        return urn

    def _find_old(self, urn: str, goal: Goal) -> tuple[Resource | None, str]:
        if urn in self._aliased:
            raise EngineError(f"{urn} was already taken as a former name of {self._aliased[urn]}")
        for name in [urn, *self._former_names(goal)]:
            old = self._olds.get(name)
            if old is None:
                continue
            if name == urn:
                return old, ""
            if name in self.urns or name in self._aliased:
                raise EngineError(f"{urn} has the alias {name}, which another resource has as its name or alias")
            self._aliased[name] = urn
            self._aliases[urn] = name
            self._registry.alias(urn, name)
            return old, name
        return None, ""

    def _former_names(self, goal: Goal) -> list[str]:
        own = [self._former_name(goal, alias) for alias in goal.aliases]
        former_parent = self._aliases.get(goal.parent)
        if not former_parent:
            return own
        inherited = [self._below(former_parent, goal.parent, goal.type, goal.name)]
        inherited += [self._below(former_parent, goal.parent, type_of(urn), name_of(urn)) for urn in own]
        return [*own, *inherited]

    def _former_name(self, goal: Goal, alias: Alias) -> str:
        if alias.urn:
            return alias.urn
        parent = self._aliases.get(alias.parent, alias.parent) if alias.parent else goal.parent
        stack, project = alias.stack or self._run.stack.name, alias.project or self._run.stack.project
        return make_urn(
            stack, project, "" if alias.no_parent else parent, alias.type or goal.type, alias.name or goal.name
        )

    def _below(self, former_parent: str, parent: str, kind: str, name: str) -> str:
        """A child's former name under its parent's: names that begin with the parent's change with it."""
        if name.startswith(name_of(parent)):
            name = name_of(former_parent) + name[len(name_of(parent)) :]
        return make_urn(self._run.stack.name, self._run.stack.project, former_parent, kind, name)

    def _import(self, registration: Registration) -> list[PlannedStep]:
        registration.importing = True
        self._kept.add(registration.urn)
        old, new, ignored = registration.old, registration.new, registration.goal.ignore_changes
        if old is not None and old not in self.condemned:
            step = PlannedStep(StepOp.IMPORT, old, new, replacing=True, ignored=ignored)
            return [step, PlannedStep(StepOp.REPLACE, old, new)]
        return [PlannedStep(StepOp.IMPORT, None, new, ignored=ignored)]

    def _check_and_diff(self, registration: Registration, recreating: bool) -> list[PlannedStep]:
        goal, urn, old, new = registration.goal, registration.urn, registration.old, registration.new
        inputs = paths.ignore_changes(new.inputs, old.inputs, goal.ignore_changes) if old is not None else new.inputs
        if goal.custom:
            fresh = recreating or old is None or old.external or old.taint
            inputs = new.inputs = self._check(
                registration, {} if fresh or old is None else old.inputs, goal.inputs if fresh else inputs
            )
        self._kept.add(urn)
        if recreating and old is not None:
            # Asked by identity: the state may have it under a former name.
            self.deletes.discard(old.urn)
            self._replaces.add(urn)
            diff = Diff(True, replaces=self._because.get(old.urn, ()))
            return [
                PlannedStep(StepOp.REPLACE, old, new, diff),
                PlannedStep(StepOp.CREATE_REPLACEMENT, old, new, diff),
            ]
        if old is None:
            self._created.add(urn)
            return [PlannedStep(StepOp.CREATE, None, new)]
        if old.external:
            self._created.add(urn)
            return [
                PlannedStep(StepOp.CREATE_REPLACEMENT, old, new, pending=True),
                PlannedStep(StepOp.REPLACE, old, new),
            ]
        diff = with_replace_on_changes(
            self._diff(registration, old, inputs), goal.replace_on_changes, bool(old.init_errors)
        )
        if old.pending_replacement or (diff.some and diff.replace):
            return self._replace(registration, old, diff)
        if diff.some or old.init_errors:
            return [PlannedStep(StepOp.UPDATE, old, new, diff, ignored=goal.ignore_changes)]
        return [] if registration.importing else [PlannedStep(StepOp.SAME, old, new)]

    def _check(self, registration: Registration, olds: Props, news: Props) -> Props:
        urn, goal = registration.urn, registration.goal
        if is_provider(goal.type):
            inputs, failures = self._registry.check(urn, olds, news)
        else:
            inputs, failures = self._provider(goal.provider, urn).check(urn, olds, news, registration.seed)
        if failures:
            raise EngineError("; ".join(failures))
        return inputs

    def _provider(self, reference: str, urn: str) -> Any:
        provider = self._registry.find(reference)
        if provider is None:
            raise EngineError(f"{urn} refers to the unknown provider {reference}")
        return provider

    def _diff(self, registration: Registration, old: Resource, inputs: Props) -> Diff:
        new, goal = registration.new, registration.goal
        if old.taint:
            return Diff(True, replaces=("id",))
        if new.deleted_with and new.deleted_with in self._replaces:
            return Diff(True, replaces=("deletedWith",))
        if self._provider_changed(old, new):
            return Diff(True, replaces=("provider",))
        if not goal.custom:
            return Diff(old.inputs != inputs)
        if is_provider(goal.type):
            return self._registry.diff(new.urn, old, inputs)
        provider = self._provider(goal.provider, new.urn)
        diff = provider.diff(new.urn, old.id, (old.inputs, old.outputs), inputs, goal.ignore_changes)
        return compared(diff, old.inputs, inputs, goal.ignore_changes)

    def _provider_changed(self, old: Resource, new: Resource) -> bool:
        if old.provider == new.provider:
            return False
        if not old.provider or not new.provider:
            return True
        old_urn, new_urn = split_reference(old.provider)[0], split_reference(new.provider)[0]
        if self._aliased.get(old_urn) == new_urn:
            return False
        before, after = self._olds.get(old_urn), self._providers.get(new_urn)
        if before is None or after is None:
            raise EngineError(f"{new.urn} changes its provider from {old_urn} to {new_urn}, and one is not known")
        provider = self._provider(new.provider, new.urn)
        diff: Diff = provider.diff_config(new_urn, before.inputs, before.outputs, after.inputs)
        return diff.replace

    def _replace(self, registration: Registration, old: Resource, diff: Diff) -> list[PlannedStep]:
        goal, urn, new = registration.goal, registration.urn, registration.new
        if new.protect and old.protect:
            self._refuse(
                f"unable to replace resource {urn} as it is marked for protection",
                "take `protect` off the resource in the program and apply that first",
            )
        if goal.import_id:
            self._refuse(
                f"{urn} was imported and still names its id, so it may not be replaced",
                "take `import_` off the resource in the program",
            )
        self._replaces.add(urn)
        if goal.custom and not old.taint:
            new.inputs = self._check(registration, {}, goal.inputs)
        first = diff.delete_before_replace if goal.delete_before_replace is None else goal.delete_before_replace
        if not first:
            return [
                PlannedStep(StepOp.CREATE_REPLACEMENT, old, new, diff, pending=True),
                PlannedStep(StepOp.REPLACE, old, new, diff),
            ]
        steps = self._delete_dependents(old, urn)
        self._ensure(old)
        if not old.pending_replacement:
            self.deletes.add(old.urn)
            steps.append(PlannedStep(StepOp.DELETE_REPLACED, old, diff=diff, pending=True))
        return [
            *steps,
            PlannedStep(StepOp.REPLACE, old, new, diff),
            PlannedStep(StepOp.CREATE_REPLACEMENT, old, new, diff),
        ]

    def _refuse(self, message: str, hint: str) -> None:
        """A preview goes on, so that the plan shows what causes it; a run stops before it acts."""
        if not self._run.preview:
            raise EngineError(message, hint=hint)
        self._run.message(f"{message}: {hint}")

    def _delete_dependents(self, root: Resource, urn: str) -> list[PlannedStep]:
        """Deleting before replacing takes along what would be replaced by it, dependents first."""
        graph = Graph(self._run.journal.base)
        # What was registered before can't depend on this any more; the real engine forgets that for `deleted_with` and
        # for former names, and then deletes what it has just updated.
        seen = self._kept | self._created | self.deletes
        seen |= {former for former, urn in self._aliased.items() if urn in seen}
        found = required_replacements(self._run, root, graph.dependents(root, seen)) if root in graph else []
        found += [replaced for replaced in cascades(urn, self._olds) if replaced.resource.urn not in seen]
        steps = []
        for dependent in reversed(found):
            resource = dependent.resource
            if resource in self.condemned:
                continue
            if resource.protect:
                self._refuse(
                    f"unable to replace {resource.urn} as part of replacing {urn}: it is marked for protection",
                    "take `protect` off the resource in the program and apply that first",
                )
            self._because[resource.urn] = dependent.keys
            why = Diff(True, replaces=dependent.keys)
            steps.append(PlannedStep(StepOp.DELETE_REPLACED, resource, diff=why, pending=not resource.delete))
            self.deletes.add(resource.urn)
            self.condemned[resource] = threading.Event()
            self._ensure(resource)
        return steps

    def _ensure(self, resource: Resource) -> None:
        if resource.provider:
            self._registry.ensure(resource.provider, self._run.journal.base)
