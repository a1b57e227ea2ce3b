"""The IAM documents of the one who deploys: pure values, made for a target, so that nothing is written by hand."""

from provisioner.model.deployer.documents import become, boundary, caller, policies, trust
from provisioner.model.deployer.simulation import questions

__all__ = ["become", "boundary", "caller", "policies", "questions", "trust"]
