"""KMS keys of tenants that are gone."""

from provisioner.cloud.session import Clients, translated

_WAITING = ("PendingDeletion", "PendingReplicaDeletion")


def retire_key(clients: Clients, key_arn: str, days: int) -> None:
    """Have a key deleted in `days`; one that waits for its deletion or is gone is success."""
    kms = clients["kms"]
    with translated("kms ScheduleKeyDeletion"):
        try:
            if kms.describe_key(KeyId=key_arn)["KeyMetadata"]["KeyState"] not in _WAITING:
                kms.schedule_key_deletion(KeyId=key_arn, PendingWindowInDays=days)
        except kms.exceptions.NotFoundException:
            return
