"""The IAM documents of the one who deploys: pure values, made for a target, so that nothing is written by hand."""

from provisioner.model.deployer.documents import actions, boundary, caller, policies, trust

__all__ = ["actions", "boundary", "caller", "policies", "trust"]
