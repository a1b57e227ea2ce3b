"""`provision export-bundle`: a release, and with a tenant its data, as a folder or tar that installs itself on a plain
Linux machine with PostgreSQL. docs/on-premises.md has what it holds and what the machine needs."""

from provisioner.ops.bundle.assemble import Bundle, build
from provisioner.ops.bundle.image import folder_of
from provisioner.ops.bundle.requests import assigned_release, bundle_of_release, bundle_of_tenant, product_of

__all__ = ["Bundle", "assigned_release", "build", "bundle_of_release", "bundle_of_tenant", "folder_of", "product_of"]
