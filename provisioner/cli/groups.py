"""A group whose name alone is a command too: `provision drill acme`, beside `provision drill report`."""

from typing import Any

from typer.core import TyperGroup

DEFAULT = "run"


class DefaultGroup(TyperGroup):
    """Words that name none of its commands are the default command's."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default's name first where no other one stands there, and no call for help."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)
