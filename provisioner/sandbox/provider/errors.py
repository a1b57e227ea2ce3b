"""What can go wrong in the provider, and what each answer of the cloud means for what to do next."""

from typing import Any

from botocore.exceptions import ClientError, HTTPClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from provisioner.model.errors import ProvisionError
from provisioner.sandbox.provider.convert import Props, words

_THROTTLED = words(
    "Throttling ThrottlingException ThrottledException RequestThrottled RequestThrottledException "
    "RequestLimitExceeded TooManyRequestsException PriorRequestNotComplete SlowDown BandwidthLimitExceeded "
    "EC2ThrottledException "
    "TransactionInProgressException"
)
_NO_CAPACITY = words(
    "InsufficientInstanceCapacity InsufficientCapacity InsufficientDBInstanceCapacity InsufficientHostCapacity "
    "InsufficientAddressCapacity InsufficientReservedInstanceCapacity InsufficientDBInstanceCapacityFault "
    "InsufficientVolumeCapacity"
)
IN_USE = words(
    "DependencyViolation DeleteConflict OperationAborted ResourceInUse ResourceInUseException InvalidGroup.InUse "
    "VolumeInUse InvalidIPAddress.InUse AuthFailure.InUse InvalidDBParameterGroupState InvalidDBSubnetGroupStateFault "
    "InvalidDBParameterGroupStateFault InvalidDBInstanceState InvalidDBInstanceStateFault IncorrectInstanceState"
)


class ProviderError(ProvisionError):
    """A request of the engine that can't be done. The engine shows the message as it is."""


class UnsupportedTypeError(ProviderError):
    """A type or a function that the sandbox has not."""


class InitFailedError(ProviderError):
    """The resource exists and has `id`, but bringing it to its wanted inputs failed: the engine must record it."""

    def __init__(self, message: str, *, resource_id: str, properties: Props, inputs: Props) -> None:
        super().__init__(message)
        self.resource_id = resource_id
        self.properties = properties
        self.inputs = inputs


class AwsError(ProviderError):
    """An answer of the cloud that is an error, or no answer. `code` is AWS's, or the exception's name."""

    def __init__(self, operation: str, code: str, message: str, status: int | None) -> None:
        super().__init__(f"{operation}: {code}: {message}")
        self.code = code
        self.status = status

    @property
    def missing(self) -> bool:
        """What was asked for isn't there."""
        return "NotFound" in self.code or self.code.startswith("NoSuch") or self.code == "404"

    @property
    def throttled(self) -> bool:
        """Too many requests: asking again later is right."""
        return self.code in _THROTTLED

    @property
    def no_capacity(self) -> bool:
        """The zone is full: asking again seldom helps."""
        return self.code in _NO_CAPACITY

    @property
    def refused(self) -> bool:
        """Nothing was done, and it may be done later."""
        return self.throttled or self.no_capacity

    @property
    def ambiguous(self) -> bool:
        """It may have been done or not: a reply that was lost, cut or a server's failure."""
        return not self.refused and (self.status is None or self.status >= 500)


def aws_error(operation: str, error: Exception) -> AwsError:
    """Translate what botocore raised (`ClientError`, or a failure of the connection)."""
    if isinstance(error, ClientError):
        response: Any = error.response
        details = response.get("Error", {})
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        code = str(details.get("Code") or "Unknown")
        # 501 is the sandbox's "not supported": it was not done, and asking again doesn't help.
        return AwsError(operation, code, str(details.get("Message") or ""), 400 if status == 501 else status)
    status = 400 if isinstance(error, ParamValidationError) else None
    return AwsError(operation, type(error).__name__, str(error), status)


WIRE_ERRORS = (ClientError, HTTPClientError, ResponseParserError, ParamValidationError)
