"""What the deployer must be able to do, service by service: the actions that each resource type of a stack and each
adapter needs, and the narrowest condition that the service supports for them.

Three ways keep a session inside its tenant: the tag that a resource is made with (`aws:RequestTag`), the tag that it
bears (`aws:ResourceTag`), and its name. Which of them a service knows is in AWS's Service Authorization Reference.
What tags something as ours is held to what is being made: who could tag what is there could take it over.
"""

from provisioner.model.deployer.actions import (
    ALARMS,
    BALANCERS,
    BUCKET,
    CERTIFICATES,
    DOCUMENTS,
    KEYS,
    LOGS,
    PROFILES,
    READ_BALANCERS,
    READ_EC2,
    ROLES,
    SECRETS,
    SEE_COMMANDS,
    SEE_PATCHES,
    TOPICS,
    UNTAG,
)
from provisioner.model.deployer.names import alarms, physical, profiles, roles, topics
from provisioner.model.deployer.place import BORN, NOBODYS, OWN, TENANT, Place, Statement, deny, statement

BOUNDARY = "provision-boundary"
_ATTACHED = [
    "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
    "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole",
]
_USERS = ["ec2.amazonaws.com", "monitoring.rds.amazonaws.com", "vpc-flow-logs.amazonaws.com"]


def network(place: Place) -> list[Statement]:
    """EC2: networks, addresses, machines."""
    made = ["vpc", "subnet", "route-table", "internet-gateway", "natgateway", "elastic-ip", "security-group"]
    made += ["security-group-rule", "vpc-endpoint", "vpc-flow-log", "instance"]
    used = ("vpc", "subnet", "route-table", "elastic-ip", "security-group")
    create = [
        "ec2:AllocateAddress",
        "ec2:AuthorizeSecurityGroupEgress",
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:CreateFlowLogs",
        "ec2:CreateInternetGateway",
        "ec2:CreateNatGateway",
        "ec2:CreateRouteTable",
        "ec2:CreateSecurityGroup",
        "ec2:CreateSubnet",
        "ec2:CreateVpc",
        "ec2:CreateVpcEndpoint",
        "ec2:RunInstances",
    ]
    # What RunInstances takes along and nobody can tag beforehand: the image, and the disk and card it makes.
    untagged = [
        "arn:aws:ec2:*::image/*",
        "arn:aws:ec2:*::snapshot/*",
        place.arn("ec2", "volume/*"),
        place.arn("ec2", "network-interface/*"),
    ]
    change = [
        "ec2:AssociateAddress",
        "ec2:AssociateRouteTable",
        "ec2:AttachInternetGateway",
        "ec2:CreateRoute",
        "ec2:DeleteFlowLogs",
        "ec2:DeleteInternetGateway",
        "ec2:DeleteNatGateway",
        "ec2:DeleteRoute",
        "ec2:DeleteRouteTable",
        "ec2:DeleteSecurityGroup",
        "ec2:DeleteSubnet",
        "ec2:DeleteTags",
        "ec2:DeleteVpc",
        "ec2:DeleteVpcEndpoints",
        "ec2:DetachInternetGateway",
        "ec2:DisassociateAddress",
        "ec2:DisassociateRouteTable",
        "ec2:ModifyInstanceAttribute",
        "ec2:ModifyInstanceMetadataOptions",
        "ec2:ModifySecurityGroupRules",
        "ec2:ModifySubnetAttribute",
        "ec2:ModifyVolume",
        "ec2:ModifyVpcAttribute",
        "ec2:ModifyVpcEndpoint",
        "ec2:MonitorInstances",
        "ec2:RebootInstances",
        "ec2:ReleaseAddress",
        "ec2:ReplaceRoute",
        "ec2:ReplaceRouteTableAssociation",
        "ec2:RevokeSecurityGroupEgress",
        "ec2:RevokeSecurityGroupIngress",
        "ec2:StartInstances",
        "ec2:StopInstances",
        "ec2:TerminateInstances",
        "ec2:UnmonitorInstances",
        "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
        "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
    ]
    born = {"StringEquals": {**BORN["StringEquals"], "ec2:CreateAction": [a.partition(":")[2] for a in create]}}
    # A VPC's default group is AWS's own, and pulumi-aws tags a machine's disk after the machine: both are there first.
    later = [place.arn("ec2", f"{kind}/*") for kind in ("security-group", "volume")]
    return [
        statement("SeeNetworks", READ_EC2, ["*"]),
        statement("MakeNetworks", create, [place.arn("ec2", f"{kind}/*") for kind in made], BORN),
        statement("MakeInNetworks", create, [place.arn("ec2", f"{kind}/*") for kind in used], OWN),
        statement("MakeMachines", ["ec2:RunInstances"], untagged),
        statement("TagWhatIsMade", ["ec2:CreateTags"], [place.arn("ec2", "*/*")], born),
        statement("TagWhatHasNone", ["ec2:CreateTags"], later, {**BORN, **NOBODYS}),
        statement("TagWhatIsOwn", ["ec2:CreateTags"], [place.arn("ec2", "*/*")], OWN),
        statement("ChangeNetworks", change, [place.arn("ec2", "*/*")], OWN),
    ]


def data(place: Place) -> list[Statement]:
    """The bucket, the key, the secrets, and the log groups."""
    bucket = f"arn:aws:s3:::{place.account}-{TENANT}-files"
    secrets = [place.arn("secretsmanager", f"secret:provision/{TENANT}/*")]
    logs = [f"log-group:/provision/{TENANT}/*", f"log-group:/aws/rds/instance/{TENANT}/*"]
    # Of databases that restores make. Another tenant's may begin with the same letters: there the tag decides.
    more = [place.arn("logs", f"log-group:/aws/rds/instance/{TENANT}-*")]
    return [
        # RDS makes the master's secret in our name, and calls it rds!db-ID.
        statement(
            "MasterSecrets",
            ["secretsmanager:CreateSecret", "secretsmanager:TagResource"],
            [place.arn("secretsmanager", "secret:rds!db-*")],
        ),
        statement("Secrets", SECRETS, secrets),
        statement("SeeSecrets", ["secretsmanager:GetRandomPassword", "secretsmanager:ListSecrets"], ["*"]),
        statement("Bucket", BUCKET, [bucket]),
        # What a customer takes along is fetched, and an export is taken away again.
        statement("Objects", ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject"], [f"{bucket}/*"]),
        statement("SeeBuckets", ["s3:ListAllMyBuckets"], ["*"]),
        statement("MakeKeys", ["kms:CreateKey"], ["*"], BORN),
        # A key is tagged before it has an alias; one that was made by hand mostly has one.
        statement("TagNewKeys", ["kms:TagResource"], ["*"], {**BORN, "Null": {**NOBODYS["Null"], **_NO_ALIAS}}),
        statement("Keys", KEYS, [place.arn("kms", "key/*")], OWN),
        statement("KeyNames", _ALIASES, [place.arn("kms", f"alias/provision/{TENANT}")]),
        statement("KeyNamesOnKeys", _ALIASES, [place.arn("kms", "key/*")], OWN),
        # RDS, EBS and Secrets Manager use the key for us, and only they.
        statement(
            "KeysByServices",
            ["kms:CreateGrant"],
            [place.arn("kms", "key/*")],
            {**OWN, "Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
        statement("SeeKeys", ["kms:ListKeys", "kms:ListAliases"], ["*"]),
        statement("LogGroups", LOGS, [place.arn("logs", name) for name in logs]),
        statement("MoreLogGroups", LOGS, more, OWN),
        statement("MakeMoreLogGroups", ["logs:CreateLogGroup", "logs:TagResource"], more, {**BORN, **NOBODYS}),
        statement("LookAtLogGroups", ["logs:ListTagsForResource"], more),
        statement("SeeLogGroups", ["logs:DescribeLogGroups"], ["*"]),
    ]


_ALIASES = ["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"]
_NO_ALIAS = {"kms:ResourceAliases": "true"}


def identity(place: Place) -> list[Statement]:
    """IAM: roles inside the boundary, and handing them to the services that use them."""
    own = roles(place)
    like = [place.arn("iam", f"{kind}/{physical('*')}", region="") for kind in ("role", "policy")]
    inside = {"ArnEquals": {"iam:PermissionsBoundary": place.arn("iam", f"policy/{BOUNDARY}", region="")}}
    services = {"StringEquals": {"iam:PassedToService": _USERS}}
    linked = ["rds.amazonaws.com", "elasticloadbalancing.amazonaws.com"]
    return [
        statement("Roles", ROLES, own),
        # The boundary tells tenants apart by the role's tag: no role is without.
        statement("MakeRolesInside", ["iam:CreateRole"], own, {**inside, **BORN}),
        statement("RolesInside", ["iam:PutRolePermissionsBoundary"], own, inside),
        statement("GrantsInside", ["iam:PutRolePolicy", "iam:DeleteRolePolicy"], own, inside),
        statement(
            "ManagedInside",
            ["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
            own,
            {"ArnEquals": {**inside["ArnEquals"], "iam:PolicyARN": _ATTACHED}},
        ),
        statement("HandOver", ["iam:PassRole"], own, services),
        statement("Profiles", PROFILES, profiles(place)),
        statement(
            "LinkedRoles",
            ["iam:CreateServiceLinkedRole"],
            [place.arn("iam", "role/aws-service-role/*", region="")],
            {"StringEquals": {"iam:AWSServiceName": linked}},
        ),
        statement("SeeRolesAndPolicies", ["iam:ListPolicies", "iam:ListRoles"], ["*"]),
        # Whose a role is that begins like ours is asked before it is called a leftover.
        statement("LookAtTags", ["iam:ListPolicyTags", "iam:ListRoleTags"], like),
        statement("SeeItself", ["iam:SimulatePrincipalPolicy", "iam:GetRole"], [place.arn("iam", "role/*", region="")]),
    ]


def fence(place: Place) -> list[Statement]:
    """What no statement may ever allow: other regions, and tags that say what is another tenant's or nobody's."""
    # IAM, Route 53 and STS answer from us-east-1 whatever the region.
    regions = {"StringNotEquals": {"aws:RequestedRegion": [*place.regions, "us-east-1"]}}
    tag = "aws:RequestTag/provision:tenant"
    others = {"StringNotEquals": {tag: TENANT}, "Null": {tag: "false"}}
    # Keys of tags on roles are the same in any letters.
    off = {"ForAnyValue:StringEqualsIgnoreCase": {"aws:TagKeys": ["provision:tenant"]}}
    return [
        deny("OtherRegions", ["*"], regions),
        deny("TagsOfOthers", ["*"], others),
        deny("TagsStay", UNTAG, off),
    ]


def front(place: Place) -> list[Statement]:
    """Names, certificates, balancers."""
    names = {
        "ForAllValues:StringLike": {
            "route53:ChangeResourceRecordSetsNormalizedRecordNames": [
                f"{TENANT}.{place.domain}",
                f"*.{TENANT}.{place.domain}",
            ]
        }
    }
    balancers = [
        place.arn("elasticloadbalancing", f"{kind}/{TENANT}/*")
        for kind in ("loadbalancer/app", "targetgroup", "listener/app")
    ]
    return [
        statement("Names", ["route53:ChangeResourceRecordSets"], ["arn:aws:route53:::hostedzone/*"], names),
        statement(
            "SeeNames", ["route53:GetHostedZone", "route53:ListResourceRecordSets"], ["arn:aws:route53:::hostedzone/*"]
        ),
        statement("SeeChanges", ["route53:GetChange"], ["arn:aws:route53:::change/*"]),
        statement("SeeZones", ["route53:ListHostedZones", "route53:ListHostedZonesByName"], ["*"]),
        statement("SeeZoneTags", ["route53:ListTagsForResource"], ["arn:aws:route53:::hostedzone/*"]),
        statement("MakeCertificates", ["acm:RequestCertificate"], ["*"], BORN),
        statement("TagNewCertificates", ["acm:AddTagsToCertificate"], ["*"], {**BORN, **NOBODYS}),
        statement("Certificates", CERTIFICATES, [place.arn("acm", "certificate/*")], OWN),
        statement("SeeCertificates", ["acm:ListCertificates"], ["*"]),
        statement("Balancers", BALANCERS, balancers),
        statement("SeeBalancers", READ_BALANCERS, ["*"]),
    ]


def watch(place: Place) -> list[Statement]:
    """Alarms, metrics, topics, commands on machines, and the account's limits."""
    machines = {"StringEquals": {"ssm:resourceTag/provision:tenant": TENANT}}
    return [
        statement("Topics", TOPICS, topics(place)),
        statement("SeeTopics", ["sns:ListTopics"], ["*"]),
        statement("LookAtTopics", ["sns:ListTagsForResource"], [place.arn("sns", physical("*"))]),
        statement("Alarms", ALARMS, alarms(place)),
        statement("SeeAlarms", ["cloudwatch:DescribeAlarms"], [place.arn("cloudwatch", "alarm:*")]),
        statement("SeeMetrics", ["cloudwatch:GetMetricData"], ["*"]),
        statement(
            "LookAtAlarms", ["cloudwatch:ListTagsForResource"], [place.arn("cloudwatch", f"alarm:{physical('*')}")]
        ),
        statement("Commands", ["ssm:SendCommand"], [place.arn("ec2", "instance/*")], machines),
        statement("CommandWords", ["ssm:SendCommand"], [f"arn:aws:ssm:*::document/{name}" for name in DOCUMENTS]),
        statement("SeeCommands", SEE_COMMANDS, ["*"]),
        statement("SeePatches", SEE_PATCHES, [place.arn("ec2", "instance/*")], machines),
        statement("SeeLimits", ["servicequotas:GetAWSDefaultServiceQuota", "servicequotas:GetServiceQuota"], ["*"]),
    ]
