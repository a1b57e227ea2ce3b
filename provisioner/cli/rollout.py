"""Commands on rollouts."""

from typing import Annotated

import typer

from provisioner.cli.backup import AtOnce
from provisioner.cli.framework import Selection, Session, command
from provisioner.cli.tenants import Ids

Release = Annotated[str, typer.Argument(metavar="RELEASE", help="Version of the release.")]
RolloutId = Annotated[
    str | None,
    typer.Argument(
        metavar="[ID]", help="Id of the rollout, or its first 6 characters.", show_default="the only open one"
    ),
]
RolloutOption = Annotated[
    str | None,
    typer.Option("--rollout", metavar="ID", help="Id of the rollout.", show_default="the only open one"),
]
Channel = Annotated[
    str | None,
    typer.Option("--channel", help="Move the followers of this channel.", show_default="the registry's default"),
]
StrategyName = Annotated[
    str | None, typer.Option("--strategy", help="Under these rules.", show_default="the registry's default")
]
Fast = Annotated[bool, typer.Option("--fast", help="Watch each wave for ten minutes at most; needs --reason.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; it is recorded.", show_default=False)]
Mend = Annotated[bool, typer.Option("--mend", help="Who is ill, or stuck on an earlier release, is moved, too.")]
Detach = Annotated[bool, typer.Option("--detach", help="Record it and return; a worker carries it on.")]


def register(app: typer.Typer) -> None:
    """Add the group to the root."""
    group = typer.Typer(
        help="Move the fleet to a release, in waves; a bad one stops in the first.", no_args_is_help=True
    )
    app.add_typer(group, name="rollout")
    command(group, "plan", selecting=True, markdown=True)(plan)
    command(group, "start", selecting=True)(start)
    command(group, "status")(status)
    command(group, "list")(list_)
    command(group, "pause")(pause)
    command(group, "resume")(resume)
    command(group, "retry-failed")(retry_failed)
    command(group, "skip")(skip)
    command(group, "abort")(abort)
    command(group, "rollback")(rollback)
    command(group, "rehearse", selecting=True)(rehearse)


def plan(
    session: Session,
    selection: Selection,
    release: Release,
    ids: Ids = None,
    channel: Channel = None,
    strategy: StrategyName = None,
    fast: Fast = False,
    reason: Reason = None,
    mend: Mend = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Ask the engine, too, what it would change of each tenant.")
    ] = False,
) -> object:
    """Show who would be moved to a release, in which wave, when, and who would not, and why. Changes nothing.

    Without a word that selects, all tenants are meant, and the channel moves when the last wave is done.
    """
    from provisioner.cli.rolling import Asked, planned

    asked = Asked(release, ids or (), channel, strategy, fast, reason, mend)
    return planned(session, selection, asked, previews=preview)


def start(
    session: Session,
    selection: Selection,
    release: Release,
    ids: Ids = None,
    channel: Channel = None,
    strategy: StrategyName = None,
    fast: Fast = False,
    reason: Reason = None,
    mend: Mend = False,
    detach: Detach = False,
) -> object:
    """Move tenants to a release, in waves. The plan is frozen; what undoing would take is said before it is asked.

    Exit 3 where it was paused or halted. ^C stops it where that is safe, and `provision rollout resume` goes on.
    """
    from provisioner.cli.rolling import Asked, started

    asked = Asked(release, ids or (), channel, strategy, fast, reason, mend)
    return started(session, selection, asked, detach=detach)


def status(
    session: Session,
    rollout_id: RolloutId = None,
    watch: Annotated[bool, typer.Option("--watch", help="Until it is over, paused or halted.")] = False,
    wide: Annotated[bool, typer.Option("--wide", help="Every tenant.")] = False,
) -> object:
    """Show where a rollout is, and what to do next. Exit 3 where it is paused or halted, 8 where it was aborted."""
    from provisioner.cli.rolling import status as shown

    return shown(session, rollout_id, watch=watch, wide=wide)


def list_(
    session: Session,
    open_ones: Annotated[bool, typer.Option("--open", help="Only those that aren't over.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at the most.")] = 50,
) -> object:
    """List rollouts, newest first."""
    from provisioner.cli.rolling import listed

    return listed(session, open_ones=open_ones, limit=limit)


def pause(session: Session, rollout_id: RolloutId = None, reason: Reason = None) -> object:
    """Begin nothing new. What is under way ends first."""
    from provisioner.cli.steering import paused

    return paused(session, rollout_id, reason)


def resume(session: Session, rollout_id: RolloutId = None, detach: Detach = False) -> object:
    """Go on with a rollout that was paused or halted, or that nobody drives any more."""
    from provisioner.cli.steering import resumed

    return resumed(session, rollout_id, detach=detach)


def retry_failed(session: Session, ids: Ids = None, rollout_id: RolloutOption = None, detach: Detach = False) -> object:
    """Try tenants again that failed, or that an operator left out, and go on. Without names: all that failed."""
    from provisioner.cli.steering import retried

    return retried(session, rollout_id, ids or (), detach=detach)


def skip(
    session: Session,
    ids: Annotated[list[str], typer.Argument(metavar="TENANT", help="Ids of tenants.")],
    rollout_id: RolloutOption = None,
) -> object:
    """Leave tenants out. A rollout that should go on, and that nobody drives, goes on here."""
    from provisioner.cli.steering import skipped

    return skipped(session, rollout_id, ids)


def abort(session: Session, rollout_id: RolloutId = None, reason: Reason = None) -> object:
    """End a rollout for good. What is under way ends first; who was moved stays moved."""
    from provisioner.cli.steering import aborted

    return aborted(session, rollout_id, reason)


def rollback(
    session: Session,
    rollout_id: RolloutId = None,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Lose what was written since; in place of the typed answer.")
    ] = False,
) -> object:
    """Take back who was moved, the last wave first. What each tenant loses by it is said before it is asked."""
    from provisioner.cli.steering import rolled_back

    return rolled_back(session, rollout_id, accept_loss=accept_loss)


def rehearse(
    session: Session,
    selection: Selection,
    release: Release,
    ids: Ids = None,
    max_concurrency: AtOnce = 4,
) -> object:
    """Try the upgrade out on each selected tenant's newest recovery point, in a stack of its own. Exit 1 on a failure.

    The stack is looked at, timed, and destroyed; the tenant itself is never touched.
    """
    from provisioner.cli.rolling import rehearsed

    return rehearsed(session, selection, ids or (), release, at_once=max_concurrency)
