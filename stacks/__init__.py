"""The Pulumi program of a tenant. Importing this package costs nothing; `stacks.tenant` imports pulumi."""
