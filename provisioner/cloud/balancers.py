"""Who a load balancer sends requests to."""

from provisioner.cloud.session import Clients, code_of, translated

_GONE = ("TargetGroupNotFound", "InvalidTarget")


def target_health(clients: Clients, group_arn: str, machine_id: str) -> str:
    """See `ports.Cloud.target_health`."""
    elb = clients["elbv2"]
    with translated("elbv2 DescribeTargetHealth"):
        try:
            found = elb.describe_target_health(TargetGroupArn=group_arn)["TargetHealthDescriptions"]
        except elb.exceptions.ClientError as error:
            if code_of(error) in _GONE:
                return "unused"
            raise
    states = [str(d["TargetHealth"]["State"]) for d in found if d["Target"]["Id"] == machine_id]
    return states[0] if states else "unused"
