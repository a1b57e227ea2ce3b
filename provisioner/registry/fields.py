"""Types of the registry's values: strict, bounded, and with words for what a pattern wants."""

import re
from dataclasses import fields
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from provisioner.model.deployer.place import CHECK
from provisioner.model.suggest import suggest
from provisioner.model.tenant import Sizing

SETTINGS = tuple(f.name for f in fields(Sizing))
"""What a tier sets and an override of a tenant may set otherwise."""

_SELECTORS = {"all", "fleet", "none"}
_HOSTS = {"admin", "api", "localhost", "mail", "provision", "status", "www"}
_COMMANDS = {"reap", "report", "rollout", "show"}
RESERVED = frozenset(_SELECTORS | _HOSTS | _COMMANDS | {CHECK})
"""Not ids of tenants: words of selectors, hosts that a target's domain needs for itself, words that stand where
`provision drill` takes tenants, the owner of rollouts' leases, and the tenant of sessions that are nobody's."""
_DRILL = re.compile(r"-d[0-9a-f]{6}$")
# A drill's stack is called after its tenant: acme-d3fa2b1. Its role can be told from a tenant's by nothing else.
LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)

_LONGEST_ID = 31
TENANT_ID = r"^[a-z](?:-?[a-z0-9])+$"
_NAME = r"^[a-z](?:-?[a-z0-9])*$"
_VERSION = r"^(?:0|[1-9]\d{0,5})\.(?:0|[1-9]\d{0,5})\.(?:0|[1-9]\d{0,5})$"
_REGION = r"^[a-z]{2}(?:-[a-z]+)+-\d$"
_DOMAIN = r"^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{1,62}$"
_ACCOUNT = r"^\d{12}$"
_LABEL = r"^[a-z](?:[a-z0-9._-]{0,61}[a-z0-9])?$"
_TAG_VALUE = r"^[A-Za-z0-9 _.:/=+@-]*$"
_TIME = r"^(?:[01]\d|2[0-3]):[0-5]\d$"
_MACHINE = r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$"
_DATABASE = r"^db\.[a-z][a-z0-9-]*\.[a-z0-9]+$"
_POSTGRES = r"^1[4-9](?:\.\d{1,2})?$"
_ROLE = r"^arn:aws:iam::\d{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}$"
_KEY = (
    r"^(?:alias/[A-Za-z0-9/_-]{1,250}"
    r"|arn:aws:kms:[a-z]{2}(?:-[a-z]+)+-\d:\d{12}:(?:key/[A-Za-z0-9-]{1,128}|alias/[A-Za-z0-9/_-]{1,250}))$"
)
_MOMENT = r"^2\d{3}-\d\d-\d\d(?:T\d\d:\d\dZ)?$"
_WAVE = r"^(?:ring [0-3]|[1-9]\d?%|100%|rest)$"
_BUDGET = r"^\d\d?%$"
_STATE = r"^(?:s3|postgres|file)://\S+$"
_IMAGE = r"^(?:sandbox|[a-z]{2}(?:-[a-z]+)+-\d)$"
_OS_RELEASE = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
_DOCUMENT = r"^[A-Za-z0-9_.-]{3,128}$"
_SECRETS = r"^awskms://\S+$"
_LEDGER = r"^(?:postgresql(?:\+psycopg)?|sqlite)://\S+$"
REFERENCE = r"^(?:env:[A-Z_][A-Z0-9_]*|file:/\S+)$"
WEBHOOK = r"^(?:https://[^\s@]+|http://(?:127\.0\.0\.1|localhost)(?::\d+)?(?:/\S*)?|env:[A-Z_][A-Z0-9_]*|file:/\S+)$"

_ID_WORDS = "lower-case letters, digits and single hyphens, beginning with a letter, ending with a letter or digit"
WORDS = {
    TENANT_ID: f"2 to 31 {_ID_WORDS}",
    _NAME: _ID_WORDS,
    _VERSION: "a version like 1.2.3",
    _REGION: "an AWS region like eu-west-1",
    _DOMAIN: "a domain like example.com",
    _ACCOUNT: "the account's 12 digits, in quotes",
    _LABEL: "lower-case letters, digits and . _ -, beginning with a letter, up to 63",
    _TAG_VALUE: "letters, digits, spaces and _ . : / = + - @, as tags of AWS allow",
    _TIME: 'a time like "02:30"',
    _MACHINE: "an EC2 instance type like t4g.small",
    _DATABASE: "an RDS instance class like db.t4g.micro",
    _POSTGRES: 'a version of PostgreSQL like "17" or "17.4"',
    _IMAGE: "an AWS region like eu-west-1, or sandbox",
    _DOCUMENT: "the name of an SSM document: 3 to 128 letters, digits and . _ -",
    _OS_RELEASE: "the name of an OS release: letters, digits and . _ -",
    _ROLE: "arn:aws:iam::ACCOUNT:role/NAME",
    _KEY: "alias/NAME or the ARN of a KMS key",
    _MOMENT: "a day like 2027-01-31, or a time in UTC like 2027-01-31T18:00Z",
    _WAVE: "ring 0 to ring 3, a share like 10%, or rest",
    _STATE: "s3://BUCKET, postgres://HOST/DATABASE or file://FOLDER",
    _SECRETS: "awskms://KEY",
    _LEDGER: "postgresql://USER@HOST/DATABASE or sqlite:///FILE",
    REFERENCE: "env:NAME or file:/PATH",
    WEBHOOK: "https://HOST/PATH (http:// to this machine only), env:NAME or file:/PATH",
}
"""What a pattern wants, in words: `must be ...`."""


def _date(value: Any) -> Any:
    # Only this one form: ISO 8601 also has weeks (2027-W05-1), and pydantic would take numbers of seconds.
    if isinstance(value, str) and len(value) == 10 and value[4] == value[7] == "-":
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise PydanticCustomError("registry", "{source} is no date: {why}", {"why": str(error)}) from None
    raise PydanticCustomError("registry", "must be a date like 2027-01-31, not {source}")


def _moment(value: str) -> str:
    try:
        datetime.fromisoformat(value)
    except ValueError as error:
        raise PydanticCustomError("registry", "{source} is no time: {why}", {"why": str(error)}) from None
    return value


def _errors(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 100_000:
        return value
    if isinstance(value, str) and re.fullmatch(_BUDGET, value):
        return value
    raise PydanticCustomError("registry", "must be a number of tenants, or a share of them like 5%, not {source}")


def _free_id(value: Any) -> Any:
    if value in RESERVED:
        raise PydanticCustomError(
            "registry_key", "is reserved", {"hint": f"not to be used: {', '.join(sorted(RESERVED))}"}
        )
    if isinstance(value, str) and _DRILL.search(value):
        hint = "choose one that doesn't end in -d and six hexadecimal digits"
        raise PydanticCustomError("registry_key", "is a name that a drill's stack may have", {"hint": hint})
    return value


def is_tenant_id(text: str) -> bool:
    """Whether a tenant may have this id."""
    named = bool(re.fullmatch(TENANT_ID, text)) and len(text) <= _LONGEST_ID
    return named and text not in RESERVED and not _DRILL.search(text)


def _no_password(value: Any) -> Any:
    """A registry is committed and mailed around. The message doesn't repeat the value."""
    if isinstance(value, str) and ":" in value.partition("://")[2].partition("@")[0] and "@" in value:
        hint = "leave it out of the address; PGPASSFILE or ~/.pgpass has a place for it"
        raise PydanticCustomError("registry", "must not contain a password", {"hint": hint})
    return value


def unique(value: tuple[Any, ...]) -> tuple[Any, ...]:
    twice = next((v for i, v in enumerate(value) if v in value[:i]), None)
    if twice is not None:
        raise PydanticCustomError("registry", "has {twice} twice", {"twice": twice, "hint": "keep one of them"})
    return value


def filled(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Said of a list whose items are all valid; pydantic's own limit counts only those that are."""
    if not value:
        raise PydanticCustomError("registry", "must not be empty")
    return value


def _log_days(value: int) -> int:
    if value not in LOG_DAYS:
        nearest = min(LOG_DAYS, key=lambda d: abs(d - value))
        steps = ", ".join(map(str, LOG_DAYS))
        words = "must be one of CloudWatch's steps ({steps}), not {source}"
        raise PydanticCustomError("registry", words, {"steps": steps, "hint": f"did you mean {nearest}?"})
    return value


def _setting(value: Any) -> Any:
    if isinstance(value, str) and value not in SETTINGS:
        raise PydanticCustomError(
            "registry", "unknown setting {source}", {"hint": suggest(value, SETTINGS, "settings")}
        )
    return value


def _simple(value: Any) -> Any:
    if isinstance(value, str | int):
        return value
    raise PydanticCustomError("registry", "must be text, a whole number, true or false, not {source}")


def _nothing(value: Any) -> Any:
    """A section whose entries were all deleted or commented out is an empty one."""
    return {} if value is None else value


def _no_entries(value: Any) -> Any:
    """The same of a list."""
    return () if value is None else value


def _text(pattern: str, *, longest: int = 255) -> StringConstraints:
    return StringConstraints(pattern=pattern, max_length=longest)


Words = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Name = Annotated[str, _text(_NAME, longest=31)]
TenantId = Annotated[str, _text(TENANT_ID, longest=_LONGEST_ID), BeforeValidator(_free_id)]
Version = Annotated[str, _text(_VERSION)]
Region = Annotated[str, _text(_REGION)]
Domain = Annotated[str, _text(_DOMAIN, longest=200)]
Account = Annotated[str, _text(_ACCOUNT)]
LabelKey = Annotated[str, _text(_LABEL, longest=63)]
LabelValue = Annotated[str, _text(_TAG_VALUE)]
Time = Annotated[str, _text(_TIME)]
MachineType = Annotated[str, _text(_MACHINE)]
DatabaseClass = Annotated[str, _text(_DATABASE)]
PostgresVersion = Annotated[str, _text(_POSTGRES)]
RoleArn = Annotated[str, _text(_ROLE)]
Key = Annotated[str, _text(_KEY, longest=350)]
State = Annotated[str, _text(_STATE), BeforeValidator(_no_password)]
Secrets = Annotated[str, _text(_SECRETS)]
LedgerUrl = Annotated[str, _text(_LEDGER), BeforeValidator(_no_password)]
Date = Annotated[date, BeforeValidator(_date, json_schema_input_type=date)]
Moment = Annotated[str, _text(_MOMENT), AfterValidator(_moment)]
Wave = Annotated[str, _text(_WAVE)]
Errors = Annotated[
    int | str,
    BeforeValidator(_errors),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 100_000}, {"type": "string", "pattern": _BUDGET}]}
    ),
]
Ring = Annotated[int, Field(ge=0, le=3)]
LogDays = Annotated[int, AfterValidator(_log_days), WithJsonSchema({"type": "integer", "enum": list(LOG_DAYS)})]
ImageKey = Annotated[str, _text(_IMAGE)]
SsmDocument = Annotated[str, _text(_DOCUMENT, longest=128)]
OsRelease = Annotated[str, _text(_OS_RELEASE, longest=63)]
Setting = Annotated[str, BeforeValidator(_setting), WithJsonSchema({"type": "string", "enum": list(SETTINGS)})]
SettingValue = Annotated[str | int | bool, BeforeValidator(_simple, json_schema_input_type=str | int | bool)]
SECTION = BeforeValidator(_nothing)
LIST = BeforeValidator(_no_entries)
