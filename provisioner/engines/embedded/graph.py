"""The dependency graph that a list of resources implies: the list is in dependency order (pkg/resource/graph)."""

from collections.abc import Collection, Iterable

from provisioner.engines.embedded.state import Resource


class Graph:
    """Questions about a list of resources."""

    def __init__(self, resources: list[Resource]) -> None:
        self._resources = resources
        self._index = {resource: index for index, resource in enumerate(resources)}

    def __contains__(self, resource: Resource) -> bool:
        return resource in self._index

    def dependents(self, root: Resource, ignored: Collection[str]) -> list[Resource]:
        """What depends on `root`, directly or not, in order. A child doesn't, by being a child alone."""
        found: list[Resource] = []
        urns = {root.urn}
        for candidate in self._resources[self._index[root] + 1 :]:
            if candidate.urn not in ignored and any(u in urns for u in candidate.requires(parent=False)):
                found.append(candidate)
                urns.add(candidate.urn)
        return found

    def dependencies(self, resource: Resource) -> set[Resource]:
        """What a resource depends on directly. Depending on a component is depending on what is in it."""
        wanted = set(resource.requires(parent=False))
        before = self._resources[: self._index[resource]]
        found = {r for r in before if r.urn in wanted or r.urn == resource.parent}
        for component in [r for r in found if not r.custom and r.urn in wanted]:
            found |= self._inside(component, before)
        return found

    def _inside(self, component: Resource, candidates: list[Resource]) -> set[Resource]:
        parents = {component.urn}
        found = set()
        for candidate in candidates:
            if candidate.parent in parents:
                found.add(candidate)
                parents.add(candidate.urn)
        return found

    def all_dependencies(self, resource: Resource) -> set[Resource]:
        """What a resource depends on, directly or not."""
        found: set[Resource] = set()
        open_ends = [resource]
        while open_ends:
            for required in self.dependencies(open_ends.pop()) - found:
                found.add(required)
                open_ends.append(required)
        return found

    def deletion_order(self, condemned: Iterable[Resource]) -> list[list[Resource]]:
        """Batches to delete one after the other, the members of each at once: dependents go before what they need."""
        left = set(condemned)
        requirements = {resource: self.dependencies(resource) for resource in left}
        batches: list[list[Resource]] = []
        while left:
            batch = [r for r in left if not (requirements[r] & left)]
            batch.sort(key=self._index.__getitem__)
            left.difference_update(batch)
            batches.append(batch)
        return batches[::-1]
