"""All kinds of operations, by name."""

from provisioner.model.ports import OperationDefinition
from provisioner.ops.backup import Backup
from provisioner.ops.converge import Converge
from provisioner.ops.drill import Drill
from provisioner.ops.export import Export
from provisioner.ops.house import House
from provisioner.ops.offboard import Offboard
from provisioner.ops.patch.steps import Patching
from provisioner.ops.prune import Prune
from provisioner.ops.reaping import Reap
from provisioner.ops.rehearse import Rehearse
from provisioner.ops.rest import Rest
from provisioner.ops.restore import Restore
from provisioner.ops.retire import Retire
from provisioner.ops.upgrade.steps import Upgrade


def definitions(house: House) -> dict[str, OperationDefinition]:
    """What this version of provision can begin, and go on with."""
    kinds = (Converge, Backup, Prune, Drill, Rehearse, Restore, Upgrade, Patching, Rest, Export, Offboard, Retire, Reap)
    return {name: definition for kind in kinds for name, definition in kind(house).definitions().items()}
