"""Registries that are YAML and still must be refused, and the whole of what is said about each."""

from tests.unit.registry.malformed import Case, changed, raw, tenant
from tests.unit.registry.samples import HEAD

_WAIVER = (
    "    waivers:\n      - {resource: database, operation: replace, name: Jane, reason: why, expires: 2027-01-01}\n"
)
_OVERRIDE = "    overrides:\n      - {setting: %s, value: %s, name: Jane, reason: contract%s}\n"

VALUE_CASES: list[Case] = [
    # Types
    changed("version 2", "version: 1", "version: 2", "tenants.yaml:1:10: version: must be 1, not 2"),
    changed(
        "version true", "version: 1", "version: true", "tenants.yaml:1:10: version: must be a whole number, not true"
    ),
    raw(
        "nothing but a version",
        "version: 1\n",
        "tenants.yaml:1:1: channels: is missing (Names that move along releases)",
        "tenants.yaml:1:1: defaults: is missing (For tenants that don't say)",
        "tenants.yaml:1:1: product: is missing (What is sold)",
        "tenants.yaml:1:1: releases: is missing (Versions of the product)",
        "tenants.yaml:1:1: targets: is missing (Places to run)",
        "tenants.yaml:1:1: tiers: is missing (Commercial sizes)",
    ),
    changed(
        "targets null",
        HEAD[HEAD.index("targets:") : HEAD.index("defaults:")],
        "targets:\n",
        "tenants.yaml:4:1: targets: must be a mapping, not nothing (write `key: value` lines below it)",
    ),
    changed(
        "unquoted version",
        'stable: "1.1.0"',
        "stable: 1.10",
        "tenants.yaml:38:11: channels/stable: must be text, and 1.10 is read as the number 1.1 (write "
        '"1.10" with the quotes)',
    ),
    changed(
        "unquoted release",
        '"1.1.0":',
        "1.1:",
        "tenants.yaml:33:3: releases: this key is read as the number 1.1 (write it in quotes)",
    ),
    tenant(
        "text for a number",
        "    ring: early\n",
        "tenants.yaml:43:11: tenants/acme/ring: must be a whole number, not early",
    ),
    tenant(
        "quoted number",
        '    ring: "1"\n',
        'tenants.yaml:43:11: tenants/acme/ring: must be a whole number, not "1" (leave the quotes out)',
    ),
    tenant("out of bounds", "    ring: 7\n", "tenants.yaml:43:11: tenants/acme/ring: must be 0..3, not 7"),
    tenant(
        "label number",
        "    labels: {cost-center: 0815}\n",
        "tenants.yaml:43:27: tenants/acme/labels/cost-center: must be text, and 0815 is read as the "
        'number 815 (write "0815" with the quotes)',
    ),
    changed(
        "yes for true",
        "multi_az: false",
        "multi_az: no",
        "tenants.yaml:23:15: tiers/standard/multi_az: must be true or false, not no (YAML 1.2 knows only "
        "true and false)",
        "tenants.yaml:23:15: tiers/trial/multi_az: must be true or false, not no (YAML 1.2 knows only true and false)",
    ),
    tenant(
        "mapping expected",
        "    window: nights\n",
        "tenants.yaml:43:13: tenants/acme/window: must be a mapping, not nights (keys: days, start, hours)",
    ),
    tenant(
        "list expected",
        "    waivers: none\n",
        "tenants.yaml:43:14: tenants/acme/waivers: must be a list, not none (write [a, b], or lines that "
        "begin with a hyphen)",
    ),
    changed(
        "account as number",
        "    cloud: sandbox\n",
        "    cloud: sandbox\n    account: 012345678901\n",
        "tenants.yaml:7:14: targets/sandbox/account: must be text, and 012345678901 is read as the "
        'number 12345678901 (write "012345678901" with the quotes)',
    ),
    # Keys
    tenant(
        "unknown key",
        "    teir: standard\n",
        "tenants.yaml:43:5: tenants/acme/teir: unknown key (did you mean 'tier'?)",
    ),
    tenant(
        "unknown key, nothing near",
        "    colour: red\n",
        "tenants.yaml:43:5: tenants/acme/colour: unknown key (known keys: account, channel, expires, "
        "hold, labels, name, organization, overrides, patch_exceptions, pin, region, release, ...)",
    ),
    changed(
        "unknown section",
        "channels:",
        "chanels:",
        "tenants.yaml:1:1: channels: is missing (Names that move along releases)",
        "tenants.yaml:37:1: chanels: unknown key (did you mean 'channels'?)",
    ),
    # Names
    tenant(
        "unknown tier",
        "    tier: standrad\n",
        "tenants.yaml:43:11: tenants/acme/tier: unknown tier 'standrad' (did you mean 'standard'?)",
    ),
    tenant(
        "unknown target, channel, organization",
        "    target: aws\n    channel: beta\n    organization: umbrela\n",
        "tenants.yaml:43:13: tenants/acme/target: unknown target 'aws' (targets: sandbox)",
        "tenants.yaml:44:14: tenants/acme/channel: unknown channel 'beta' (channels: stable)",
        "tenants.yaml:45:19: tenants/acme/organization: unknown organization 'umbrela' (did you mean 'umbrella'?)",
    ),
    changed(
        "no organizations",
        HEAD[HEAD.index("organizations:") :] + "tenants:\n  acme:\n",
        "tenants:\n  acme:\n    organization: umbrella\n",
        "tenants.yaml:41:19: tenants/acme/organization: unknown organization 'umbrella' (there are no "
        "organizations yet)",
    ),
    tenant(
        "unknown release",
        '    release: "1.1.1"\n',
        "tenants.yaml:43:14: tenants/acme/release: unknown release '1.1.1' (did you mean '1.1.0'?)",
    ),
    tenant(
        "region of no target",
        "    region: eu-west-2\n",
        "tenants.yaml:43:13: tenants/acme/region: target sandbox has no region 'eu-west-2' (did you mean 'eu-west-1'?)",
    ),
    raw(
        "upper-case id",
        HEAD + "tenants:\n  Acme: {}\n",
        "tenants.yaml:42:3: tenants/Acme: must be 2 to 31 lower-case letters, digits and single hyphens, "
        "beginning with a letter, ending with a letter or digit, not 'Acme' (did you mean 'acme'?)",
    ),
    raw(
        "Cyrillic id",
        HEAD + "tenants:\n  \u0430cme: {}\n",
        "tenants.yaml:42:3: tenants/\u0430cme: must be 2 to 31 lower-case letters, digits and single hyphens, "
        "beginning with a letter, ending with a letter or digit, not '\u0430cme' ('\u0430' is CYRILLIC SMALL "
        "LETTER A)",
    ),
    raw(
        "reserved id",
        HEAD + "tenants:\n  all: {}\n",
        "tenants.yaml:42:3: tenants/all: is reserved (not to be used: admin, all, api, fleet, localhost, "
        "mail, none, provision, provision-check, reap, report, rollout, show, status, www)",
    ),
    raw(
        "a drill's id",
        HEAD + "tenants:\n  acme-d3fa2b1: {}\n",
        "tenants.yaml:42:3: tenants/acme-d3fa2b1: is a name that a drill's stack may have (choose one that doesn't end "
        "in -d and six hexadecimal digits)",
    ),
    raw(
        "long id, hyphens",
        HEAD + f"tenants:\n  a{'b' * 31}: {{}}\n  a--b: {{}}\n  ab-: {{}}\n",
        "tenants.yaml:42:3: tenants/abbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb: must have at most 31 characters, not 32",
        "tenants.yaml:43:3: tenants/a--b: must be 2 to 31 lower-case letters, digits and single hyphens, "
        "beginning with a letter, ending with a letter or digit, not 'a--b'",
        "tenants.yaml:44:3: tenants/ab-: must be 2 to 31 lower-case letters, digits and single hyphens, "
        "beginning with a letter, ending with a letter or digit, not 'ab-'",
    ),
    changed(
        "default tier",
        "  tier: standard\n  region",
        "  tier: gold\n  region",
        "tenants.yaml:11:9: defaults/tier: unknown tier 'gold' (tiers: standard, trial)",
    ),
    changed(
        "default region",
        "region: eu-west-1\n",
        "region: eu-west-7\n",
        "tenants.yaml:12:11: defaults/region: no target has region 'eu-west-7' (did you mean 'eu-west-1'?)",
    ),
    changed(
        "broken tier, known name",
        "    root_disk_gib: 20\n",
        "    root_disk_gib: 2\n",
        "tenants.yaml:17:20: tiers/standard/root_disk_gib: must be 8..16384, not 2",
        "tenants.yaml:17:20: tiers/trial/root_disk_gib: must be 8..16384, not 2",
    ),
    # Windows, zones and dates
    tenant(
        "window's start, unquoted",
        "    window:\n      days: [son]\n      start: 2:00\n      hours: 25\n",
        "tenants.yaml:44:13: tenants/acme/window/days: must not be empty",
        "tenants.yaml:44:14: tenants/acme/window/days/0: must be one of mon, tue, wed, thu, fri, sat, "
        "sun, not son (did you mean 'sun'?)",
        'tenants.yaml:45:14: tenants/acme/window/start: must be a time like "02:30", not 2:00',
        "tenants.yaml:46:14: tenants/acme/window/hours: must be 1..24, not 25",
    ),
    tenant(
        "window's days",
        "    window: {days: [], start: '24:00', hours: 1}\n",
        "tenants.yaml:43:20: tenants/acme/window/days: must not be empty",
        "tenants.yaml:43:31: tenants/acme/window/start: must be a time like \"02:30\", not '24:00'",
    ),
    tenant(
        "same day twice",
        "    window: {days: [sat, sun, sat], start: '02:00', hours: 1}\n",
        "tenants.yaml:43:20: tenants/acme/window/days: has sat twice (keep one of them)",
    ),
    tenant(
        "time zone",
        "    time_zone: Europe/Berln\n",
        "tenants.yaml:43:16: tenants/acme/time_zone: unknown time zone 'Europe/Berln' (did you mean 'Europe/Berlin'?)",
    ),
    tenant(
        "time zone like a path",
        "    time_zone: ../../etc/passwd\n",
        "tenants.yaml:43:16: tenants/acme/time_zone: unknown time zone '../../etc/passwd' (an IANA name "
        "like Europe/Berlin)",
    ),
    tenant(
        "dates",
        "    expires: 2027-02-30\n    pin: {reason: why, expires: soon}\n    release: '1.0.0'\n",
        "tenants.yaml:43:14: tenants/acme/expires: 2027-02-30 is no date: day is out of range for month",
        "tenants.yaml:44:33: tenants/acme/pin/expires: must be a date like 2027-01-31, not soon",
    ),
    tenant(
        "a date in seconds",
        "    expires: 1800000000\n",
        "tenants.yaml:43:14: tenants/acme/expires: must be a date like 2027-01-31, not 1800000000",
    ),
    # Rules between fields
    tenant(
        "pin and channel",
        '    release: "1.0.0"\n    channel: stable\n',
        "tenants.yaml:44:14: tenants/acme/channel: can't stand together with release (follow a channel "
        "or pin a release)",
    ),
    tenant(
        "pin of nothing",
        "    pin: {reason: why}\n",
        "tenants.yaml:43:5: tenants/acme/pin: is there without a release to pin (add release, or delete it)",
    ),
    changed(
        "yanked, in a channel",
        "migration: online",
        "migration: online\n    yanked: loses notes",
        "tenants.yaml:39:11: channels/stable: release 1.1.0 is yanked: loses notes (choose another release)",
    ),
    changed(
        "min_from later",
        "schema_version: 1",
        'schema_version: 1\n    min_from: "1.1.0"',
        "tenants.yaml:33:15: releases/1.0.0/min_from: must be an earlier release than 1.0.0, not '1.1.0' "
        "(it is the oldest release to upgrade from)",
    ),
    changed(
        "min_from unknown",
        "migration: online",
        'migration: online\n    min_from: "0.9.0"',
        "tenants.yaml:37:15: releases/1.1.0/min_from: unknown release '0.9.0' (did you mean '1.1.0'?)",
    ),
    changed(
        "schema goes back",
        "schema_version: 2",
        "schema_version: 0",
        "tenants.yaml:35:21: releases/1.1.0/schema_version: goes back from 1 to 0 (schemas only go "
        "forward; undo a change with a new version)",
    ),
    changed(
        "schema without migration",
        "    migration: online\n",
        "",
        "tenants.yaml:33:3: releases/1.1.0/migration: must not be none (the schema goes from 1 to 2: "
        "online or offline)",
    ),
    changed(
        "storage",
        "database_max_storage_gib: 40",
        "database_max_storage_gib: 21",
        "tenants.yaml:22:31: tiers/standard/database_max_storage_gib: RDS needs database_max_storage_gib "
        "of 22 or more for 20 GiB, not 21 (a tenth more than at first)",
        "tenants.yaml:22:31: tiers/trial/database_max_storage_gib: RDS needs database_max_storage_gib of "
        "22 or more for 20 GiB, not 21 (a tenth more than at first)",
    ),
    changed(
        "logs",
        "log_retention_days: 7",
        "log_retention_days: 8",
        "tenants.yaml:26:25: tiers/standard/log_retention_days: must be one of CloudWatch's steps (1, 3, "
        "5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, "
        "3653), not 8 (did you mean 7?)",
        "tenants.yaml:26:25: tiers/trial/log_retention_days: must be one of CloudWatch's steps (1, 3, 5, "
        "7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, "
        "3653), not 8 (did you mean 7?)",
    ),
    changed(
        "classes",
        "database_class: db.t4g.micro",
        "database_class: t4g.micro",
        "tenants.yaml:19:21: tiers/standard/database_class: must be an RDS instance class like "
        "db.t4g.micro, not t4g.micro",
        "tenants.yaml:19:21: tiers/trial/database_class: must be an RDS instance class like "
        "db.t4g.micro, not t4g.micro",
    ),
    tenant(
        "override unknown",
        _OVERRIDE % ("instance_typ", "x", ""),
        "tenants.yaml:44:19: tenants/acme/overrides/0/setting: unknown setting instance_typ (did you "
        "mean 'instance_type'?)",
    ),
    tenant(
        "override's type",
        _OVERRIDE % ("multi_az", "maybe", ""),
        "tenants.yaml:44:36: tenants/acme/overrides/0/value: as multi_az: must be true or false, not maybe",
    ),
    tenant(
        "override's bounds",
        _OVERRIDE % ("backup_retention_days", "99", ""),
        "tenants.yaml:44:49: tenants/acme/overrides/0/value: as backup_retention_days: must be 1..35, not 99",
    ),
    tenant(
        "override's shape",
        _OVERRIDE % ("multi_az", "[true]", ""),
        "tenants.yaml:44:36: tenants/acme/overrides/0/value: must be text, a whole number, true or false, not [true]",
    ),
    tenant(
        "override that can't end",
        _OVERRIDE % ("database_storage_gib", "30", ", expires: 2027-01-01"),
        "tenants.yaml:44:91: tenants/acme/overrides/0/expires: database_storage_gib can't go back when "
        "the override ends (leave expires out, and move the tenant to a tier that has it)",
    ),
    tenant(
        "override's storage",
        _OVERRIDE % ("database_storage_gib", "500", ""),
        "tenants.yaml:44:48: tenants/acme/overrides/0/value: RDS needs database_max_storage_gib of 550 "
        "or more for 500 GiB, not 40 (a tenth more than at first)",
    ),
    tenant(
        "override without a reason",
        "    overrides:\n      - setting: multi_az\n        value: true\n",
        "tenants.yaml:44:9: tenants/acme/overrides/0/name: is missing (Who allowed it)",
        "tenants.yaml:44:9: tenants/acme/overrides/0/reason: is missing (Why)",
    ),
    tenant(
        "waiver",
        _WAIVER.replace("replace", "rename").replace(", expires: 2027-01-01", ""),
        "tenants.yaml:44:9: tenants/acme/waivers/0/expires: is missing (Last day on which it holds)",
        "tenants.yaml:44:41: tenants/acme/waivers/0/operation: must be one of replace, delete, "
        "create, restore-into, not rename (did you mean 'create'?)",
    ),
    changed(
        "aws without state",
        "cloud: sandbox",
        "cloud: aws",
        "tenants.yaml:5:3: targets/sandbox/account: is missing, and cloud aws needs it (as its 12 digits, in quotes)",
        "tenants.yaml:5:3: targets/sandbox/secrets: is missing, and cloud aws needs it (as awskms://KEY)",
        "tenants.yaml:5:3: targets/sandbox/state: is missing, and cloud aws needs it (as s3://BUCKET)",
        "tenants.yaml:42:3: tenants/acme/channel: release 1.1.0 has no image for eu-west-1, and 1 more "
        "need it (add releases/1.1.0/images/eu-west-1)",
    ),
    changed(
        "password",
        "    cloud: sandbox\n",
        "    cloud: sandbox\n    ledger: postgresql://me:hunter2@db/ledger\n",
        "tenants.yaml:7:13: targets/sandbox/ledger: must not contain a password (leave it out of the "
        "address; PGPASSFILE or ~/.pgpass has a place for it)",
    ),
    changed(
        "too many tenants",
        "    cloud: sandbox\n",
        "    cloud: sandbox\n    max_tenants: 1\n",
        "tenants.yaml:7:18: targets/sandbox/max_tenants: 2 tenants are on this target, more than 1 "
        "(raise it, or move tenants to another target)",
    ),
    changed(
        "image",
        "{sandbox: releases/1.1.0}",
        "{sandbox: releases/1.1.0, eu-west-1: ami-xyz, mars: x}",
        "tenants.yaml:34:59: releases/1.1.0/images/mars: must be an AWS region like eu-west-1, or sandbox, not 'mars'",
    ),
    changed(
        "no image",
        "{sandbox: releases/1.1.0}",
        "{eu-west-1: ami-0123456789abcdef0}",
        "tenants.yaml:42:3: tenants/acme/channel: release 1.1.0 has no image for sandbox, and 1 more "
        "need it (add releases/1.1.0/images/sandbox)",
    ),
]
