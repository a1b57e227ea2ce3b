"""The only printer of results: stdout is data."""

import json
import sys
from typing import TYPE_CHECKING, Any

from provisioner.cli.framework import Output
from provisioner.cli.markdown import markdown
from provisioner.cli.plain import plain
from provisioner.cli.results import Document, Text
from provisioner.cli.tables import show

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 240


def render(result: Any, output: Output) -> None:
    """Print a result on stdout in the wanted form."""
    if isinstance(result, Document):
        result = result.content
        output = Output.JSON if output is Output.TABLE else output
    if output is Output.JSON:
        sys.stdout.write(json.dumps(plain(result), indent=2, ensure_ascii=False) + "\n")
    elif output is Output.YAML:
        from ruamel.yaml import YAML

        yaml = YAML(typ="safe")
        yaml.default_flow_style = False
        yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # ruamel's own way to keep the order
        yaml.dump(plain(result), sys.stdout)
    elif output is Output.MARKDOWN:
        sys.stdout.write(markdown(result))
    elif isinstance(result, Text):
        sys.stdout.write(result.text.rstrip("\n") + "\n")
    else:
        show(result, _console())
    sys.stdout.flush()


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False) if sys.stdout.isatty() else Console(width=PIPE_WIDTH)
