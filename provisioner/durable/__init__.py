"""Workflows that survive the process. `provisioner.durable.operations.DurableOperations` is the port `Operations`."""
