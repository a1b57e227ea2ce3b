"""The `Engine` port over Pulumi's own CLI, by the Automation API."""
