"""The IAM documents of the one who deploys: pure values, made for a target, so that nothing is written by hand."""

from provisioner.model.deployer.documents import boundary, caller, policies, trust
from provisioner.model.deployer.simulation import questions

__all__ = ["boundary", "caller", "policies", "questions", "trust"]
