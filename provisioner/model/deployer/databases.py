"""RDS: the tenant's databases, what stands beside them, and their recovery points.

The first database has the tenant's id as its name, and so has nobody else's. Those that restores and drills make are
named `acme-x1y2z3`, and `acme-b` is another tenant: there the tag decides, the one in the request for what isn't there
yet, the resource's own for what is.
"""

from provisioner.model.deployer.actions import DATABASES, MAKE_DATABASES, POINTS
from provisioner.model.deployer.place import BORN, NOBODYS, OWN, TENANT, Place, Statement, statement

# Who may copy another tenant's snapshot, by tags that the owner of the account (or a session of that tenant) sets.
_LENT = {"StringEquals": {"aws:ResourceTag/provision:lent-to": TENANT}}
_FOR_COPIES = {"StringEquals": {"aws:ResourceTag/provision:purpose": "copies"}}
_BY_RDS = {"StringLike": {"kms:ViaService": "rds.*.amazonaws.com"}}
_USE_KEY = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]


def databases(place: Place) -> list[Statement]:
    """Databases, their groups and snapshots, and the keys of snapshots that cross a border."""

    def named(*patterns: str) -> list[str]:
        return [place.arn("rds", pattern) for pattern in patterns]

    first = named(f"db:{TENANT}", f"subgrp:{TENANT}")
    more = named(f"db:{TENANT}-*", f"pg:{TENANT}-*", f"subgrp:{TENANT}-*")
    points, keys = named(f"snapshot:{TENANT}-*"), [place.arn("kms", "key/*")]
    made = {**BORN, **NOBODYS}
    # RDS takes the final snapshot, and its tags, in the name of the one who deletes.
    tagged = {"StringEqualsIfExists": BORN["StringEquals"], **NOBODYS}
    restore = ["rds:RestoreDBInstanceFromDBSnapshot", "rds:RestoreDBInstanceToPointInTime"]
    return [
        statement("FirstDatabase", [*DATABASES, *MAKE_DATABASES, "rds:CreateDBSnapshot"], first),
        statement("MoreDatabases", [*DATABASES, *MAKE_DATABASES, "rds:CreateDBSnapshot"], more, OWN),
        statement("MakeMoreDatabases", ["rds:AddTagsToResource", *MAKE_DATABASES], more, made),
        statement("LookAtDatabases", ["rds:DescribeDBParameters", "rds:ListTagsForResource"], more),
        statement("OptionGroups", ["rds:CreateDBInstance", *restore], named("og:default:*")),
        # An automated backup bears neither name nor tag of its tenant. Its key does.
        statement("History", ["rds:RestoreDBInstanceToPointInTime"], named("auto-backup:*")),
        statement("SeeDatabases", ["rds:DescribeDBInstances", "rds:DescribeDBParameterGroups"], ["*"]),
        statement("SeeMoreDatabases", ["rds:DescribeDBSubnetGroups", "rds:DescribeDBEngineVersions"], ["*"]),
        statement("SeePoints", ["rds:DescribeDBSnapshots", "rds:DescribeDBInstanceAutomatedBackups"], ["*"]),
        statement("MakePoints", ["rds:CreateDBSnapshot"], points),
        statement("TagPoints", ["rds:AddTagsToResource"], points, tagged),
        statement("CopyPoints", ["rds:CopyDBSnapshot"], points, made),
        statement("Points", POINTS, named("snapshot:*"), OWN),
        statement("LentPoints", ["rds:CopyDBSnapshot"], named("snapshot:*"), _LENT),
        statement("LentKeys", _USE_KEY, keys, {**_LENT, **_BY_RDS}),
        statement("CopyKeys", _USE_KEY, keys, {**_FOR_COPIES, **_BY_RDS}),
    ]
