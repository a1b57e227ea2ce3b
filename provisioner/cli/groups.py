"""A group whose name alone is a command too: `provision drill acme`, beside `provision drill report`."""

from typing import Any

from typer.core import TyperGroup

DEFAULT = "run"


class DefaultGroup(TyperGroup):
    """Words that name none of its commands are the default command's."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command's name first, which may stand behind options; the default's where there is none, and no call
        for help. No tenant has the name of a command: the registry reserves them."""
        place = self._place(args)
        if place is not None:
            args = [args[place], *args[:place], *args[place + 1 :]]
        elif not args or args[0] not in ctx.help_option_names:
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def _place(self, args: list[str]) -> int | None:
        """Where the first word stands that names a command, and isn't an option's value."""
        options: list[Any] = [p for c in self.commands.values() for p in c.params if p.param_type_name == "option"]
        takes = {name for o in options if not o.is_flag for name in o.opts}
        for place, word in enumerate(args):
            if word == "--":
                return None
            if word in self.commands and (place == 0 or args[place - 1] not in takes):
                return place
        return None
