"""`buildkit completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAM = "buildkit"
VARIABLE = "_BUILDKIT_COMPLETE"
"""The variable by which click recognizes a completion request."""
SHELLS = ("bash", "zsh", "fish")


@click.command(
    epilog="\b\nExamples:\n"
    "  echo 'eval \"$(buildkit completion bash)\"' >> ~/.bashrc\n"
    "  echo 'eval \"$(buildkit completion zsh)\"' >> ~/.zshrc\n"
    "  buildkit completion fish > ~/.config/fish/completions/buildkit.fish"
)
@click.argument("shell", metavar="SHELL", type=click.Choice(SHELLS))
@click.pass_context
def command(context: click.Context, *, shell: str) -> None:
    """Print a script that completes commands, options, targets, versions and regions.

    SHELL is bash, zsh or fish. Bash must be 4.4 or newer.
    """
    script = get_completion_class(shell)
    assert script is not None
    root = context.find_root().command
    click.echo(script(root, {}, PROGRAM, VARIABLE).source())
