"""What a machine tells its product: `/etc/provision/product.env`, as docs/product-contract.md has it."""

import pulumi

from stacks.access import PRODUCT_PORT
from stacks.database import Database
from stacks.instance import DATABASE_NAME, DATABASE_USER
from stacks.scope import Scope

# Where the image keeps RDS's certificate authorities (docs/product-contract.md).
_RDS_CA = "/etc/provision/rds-ca.pem"


def environment(
    scope: Scope,
    database: Database,
    secret_arn: pulumi.Input[str],
    *,
    files_bucket: pulumi.Input[str] = "",
    tls_name: str = "",
) -> dict[str, pulumi.Input[str]]:
    """The variables, in the contract's order. `secret_arn`: the product's database password. `files_bucket`: empty in a
    quarantine. `tls_name`: for which name the image ends TLS itself, or empty."""
    args = scope.args
    return {
        "TENANT": args.tenant,
        "PURPOSE": "drill" if args.quarantine else "production",
        "RELEASE": args.release,
        "SCHEMA_VERSION": str(args.schema_version),
        "AWS_REGION": args.region,
        "LISTEN_PORT": str(PRODUCT_PORT),
        "DATABASE_HOST": database.address,
        "DATABASE_PORT": database.port.apply(lambda port: str(int(port))),
        "DATABASE_NAME": DATABASE_NAME,
        "DATABASE_USER": DATABASE_USER,
        "DATABASE_SECRET": secret_arn,
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": _RDS_CA,
        "FILES_BUCKET": files_bucket,
        "TLS_NAME": tls_name,
    }
