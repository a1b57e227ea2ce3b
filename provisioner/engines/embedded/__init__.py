"""The embedded Pulumi engine: stands where the Pulumi CLI stands for the official SDK, for sandbox targets alone.

The rules are those of the real engine (pulumi/pulumi, pkg/resource/deploy), so that both plan the same steps and their
state moves either way. `engine.EmbeddedEngine` is the way in; importing this package costs nothing.
"""
