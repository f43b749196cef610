"""The verbs of the command line, nothing else; each loads what it needs when it runs."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from prakerja_load import __version__
from prakerja_load.errors import PrakerjaLoadError

F = TypeVar("F", bound=Callable[..., Any])

EXIT_CODES = """\b
Exit codes:
  0  every ramp SUSTAINED
  1  a ramp NOT_SUSTAINED (speed, success or integrity)
  2  usage, scenario or authorization: nothing was sent
  3  INCONCLUSIVE: unsound, too few samples, worker lost, interrupted undecided
  4  the harness could not do its work"""

RUN_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)
SCENARIO_FILE = click.Path(dir_okay=False, path_type=Path)
FOR_RESUMING = ("--resume", "--redo", "--exit-zero", "--controller")


class Verbs(click.Group):
    """All verbs; one that is interrupted before it could say anything ends undecided, and not as one that failed."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("prakerja-load: interrupted", err=True)
            sys.exit(3)


@click.group(
    cls=Verbs, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="prakerja-load")
def verbs() -> None:
    """Says, the night before a registration wave opens, whether the system will carry it.

    Ramps simulated registrants against a registration system on an open schedule, measures from the intended time,
    reconciles every acknowledged registration with what the system stored, and gives one verdict per ramp.
    """


def _overrides(function: F) -> F:
    target = click.option("--target", metavar="URL", help="The system under test; default: the embedded registrar.")
    settings = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a scenario key.")
    return target(settings(function))


def _settings(settings: tuple[str, ...], target: str | None) -> tuple[str, ...]:
    return (*settings, f'target.url="{target}"') if target else settings


@verbs.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), default=Path())
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
def init(directory: Path, force: bool) -> None:
    """Write a commented scenario and a locustfile to start from."""
    from prakerja_load.trial import starter

    for path in starter.write(directory, overwrite=force):
        click.echo(f"wrote {path}")


@verbs.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option("--port", default=8020, show_default=True, help="Port on loopback; 0 picks a free one.")
@click.option("--database", default="sqlite:registrar.db", show_default=True, metavar="URL", help="Where it stores.")
@click.pass_context
def serve(context: click.Context, port: int, database: str) -> None:
    """Start the reference registration system on loopback, in the foreground.

    Further options are the registrar's own: python -m prakerja_load.registrar --help.
    """
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--database", database, *context.args]
    os.execv(sys.executable, [sys.executable, "-m", "prakerja_load.registrar", *arguments])  # noqa: S606 (our own module)


@verbs.command()
@click.argument("scenario", type=SCENARIO_FILE)
@_overrides
def plan(scenario: Path, settings: tuple[str, ...], target: str | None) -> None:
    """Print what SCENARIO asks of the system, and refuse one that cannot reach a verdict."""
    from prakerja_load.judgement import plan as planning
    from prakerja_load.judgement import ports
    from prakerja_load.scenario import load

    made = planning.plan(load(scenario, _settings(settings, target)), space=ports.of_this_machine())
    for line in planning.lines(made):
        click.echo(line)
    planning.refuse_undecidable(made, str(scenario))


def _refuse_idle(context: click.Context, *, is_resumed: bool) -> None:
    """Raise UsageError for options that would change nothing: a run is finished as it was begun."""
    told = {one.opts[0]: context.get_parameter_source(str(one.name)) for one in context.command.params}
    given = [name for name, source in told.items() if source == ParameterSource.COMMANDLINE]
    idle = [name for name in given if (name not in FOR_RESUMING if is_resumed else name == "--redo")]
    if idle:
        raise click.UsageError(f"got {', '.join(idle)}, allowed: {'not ' * is_resumed}beside --resume RUN")


@verbs.command()
@click.argument("scenario", type=SCENARIO_FILE, required=False)
@_overrides
@click.option("--workers", type=click.IntRange(1, 500), help="Generator processes on this machine.")
@click.option("--ramp", "ramps", type=click.IntRange(1), multiple=True, help="Only this ramp (its number); repeatable.")
@click.option("--reports", type=click.Path(file_okay=False, path_type=Path), default=Path("reports"), show_default=True)
@click.option("--resume", type=RUN_DIRECTORY, metavar="RUN", help="Finish a run directory that was cut off.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 whenever the run completed, whatever the verdict.")
@click.option("--undecidable", is_flag=True, help="Run even what the plan says cannot reach a verdict.")
@click.option("--controller", metavar="HOST:PORT", help="Lead workers from elsewhere, which join at this address.")
@click.option("--redo", is_flag=True, help="With --resume: run a ramp that was cut off anew, not only its rest.")
@click.option("--tolerate-worker-loss", is_flag=True, help="Let others take over what a lost worker had not begun.")
def run(  # noqa: PLR0917 (click passes one argument an option)
    scenario: Path | None,
    settings: tuple[str, ...],
    target: str | None,
    workers: int | None,
    ramps: tuple[int, ...],
    reports: Path,
    resume: Path | None,
    exit_zero: bool,
    undecidable: bool,
    controller: str | None,
    tolerate_worker_loss: bool,
    redo: bool,
) -> None:
    """Run the ramps of SCENARIO, judge each, and write the report."""
    from prakerja_load.driver.address import parse_address
    from prakerja_load.report.live import open_display, suits_terminal
    from prakerja_load.trial import run as trial

    if (scenario is None) == (resume is None):
        raise click.UsageError("give a scenario file, or --resume RUN, not both")
    _refuse_idle(click.get_current_context(), is_resumed=resume is not None)
    if workers is not None:
        settings = (*settings, f"load.workers={workers}")
    settings += ("load.tolerate_worker_loss=true",) if tolerate_worker_loss else ()
    address = parse_address(controller) if controller is not None else None
    standing = trial.Standing()
    with open_display(sys.stdout, suits_terminal(sys.stdout, os.environ)) as display:
        if resume is not None:
            judged = trial.resume(resume, display, controller=address, redo=redo, standing=standing)
        else:
            assert scenario is not None
            order = trial.Order(scenario, _settings(settings, target), tuple(ramps), reports, undecidable, address)
            judged = trial.start(order, display, standing=standing)
    sys.exit(0 if exit_zero and not standing.was_interrupted else judged.exit_code)


@verbs.command()
@click.option("--controller", metavar="HOST:PORT", required=True, help="Where `run --controller` awaits workers.")
@click.option("--reports", type=click.Path(file_okay=False, path_type=Path), default=Path("reports"), show_default=True)
@click.option(
    "--wait", default="10m", show_default=True, metavar="DURATION", help="For a controller and its next ramp."
)
def worker(controller: str, reports: Path, wait: str) -> None:
    """Generate load for a controller elsewhere, ramp after ramp, and send it the evidence.

    A copy is kept under --reports until the controller has all of it. For a target that is not this machine
    PRAKERJA_PROJECT_KEY must be set, as for `run`.
    """
    from prakerja_load.driver.address import parse_address
    from prakerja_load.trial.crew import Recruit
    from prakerja_load.units import parse_duration

    try:
        seconds = parse_duration(wait)
    except ValueError as mistake:
        raise click.BadParameter(str(mistake), param_hint="--wait") from None
    reports.mkdir(parents=True, exist_ok=True)
    sys.exit(Recruit(parse_address(controller), reports, seconds).serve())


@verbs.command()
@click.argument("scenario", type=SCENARIO_FILE)
@_overrides
@click.option("--precision", default="5%", show_default=True, metavar="SHARE", help="How close the ends shall be.")
@click.option("--hold", metavar="TIME", help="Hold each rate at least so long; default: as the objectives need.")
@click.option("--begin", metavar="RATE", help="First rate, such as 50/s; default: that of the smallest ramp.")
@click.option("--highest", metavar="RATE", help="Try nothing above.")
@click.option("--speed-alone", is_flag=True, help="Do without looking up what the system stored; the report says so.")
@click.option("--workers", type=click.IntRange(1, 500), help="Generator processes on this machine.")
@click.option("--reports", type=click.Path(file_okay=False, path_type=Path), default=Path("reports"), show_default=True)
@click.option("--exit-zero", is_flag=True, help="Exit 0 whenever the search came to its end, whatever it found.")
def capacity(  # noqa: PLR0917 (click passes one argument an option)
    scenario: Path,
    settings: tuple[str, ...],
    target: str | None,
    precision: str,
    hold: str | None,
    begin: str | None,
    highest: str | None,
    speed_alone: bool,
    workers: int | None,
    reports: Path,
    exit_zero: bool,
) -> None:
    """Find the highest arrival rate that SCENARIO's objectives allow: widen, bisect, confirm.

    Every step is a run with its own directory and verdict. Exit code 0 when the rate of every ramp is proven, 1 when
    one is refuted, 3 when the search could not tell or was cut off.
    """
    from prakerja_load.campaign import capacity as campaign
    from prakerja_load.campaign import order as orders
    from prakerja_load.report.capacity_live import open_search
    from prakerja_load.report.live import suits_terminal

    if workers is not None:
        settings = (*settings, f"load.workers={workers}")
    given = orders.Given(precision, hold, begin, highest)
    order = orders.order(scenario, _settings(settings, target), given, reports, on_speed_alone=speed_alone)
    with open_search(sys.stdout, suits_terminal(sys.stdout, os.environ)) as display:
        judged = campaign.find(order, display)
    sys.exit(0 if exit_zero and campaign.is_over(judged) else judged.exit_code)


@verbs.command()
@click.argument("run_directory", metavar="RUN", type=RUN_DIRECTORY)
@click.option("--exit-zero", is_flag=True, help="Exit 0 whenever RUN could be judged, whatever the verdict.")
def judge(run_directory: Path, exit_zero: bool) -> None:
    """Judge RUN again from what is on disk, and write verdict.json; repeatable byte for byte."""
    from prakerja_load.judgement.judge import judge_run
    from prakerja_load.judgement.record import write_verdict

    judged = judge_run(run_directory)
    write_verdict(judged, run_directory)
    for ramp in judged.ramps:
        click.echo(ramp.sentence)
    sys.exit(0 if exit_zero else judged.exit_code)


@verbs.command()
@click.argument("run_directory", metavar="RUN", type=RUN_DIRECTORY)
def report(run_directory: Path) -> None:
    """Write report.html and report.md of RUN again from what is on disk."""
    from prakerja_load.judgement.judge import judge_run
    from prakerja_load.report.write import write_reports

    for path in write_reports(judge_run(run_directory), run_directory):
        click.echo(f"wrote {path}")


class TwoSides(click.Command):
    """A command whose arguments stand on two sides of `--`; those after it are found in `ctx.meta`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Cut the arguments at `--`."""
        place = args.index("--") if "--" in args else len(args)
        ctx.meta["new"] = tuple(map(Path, args[place + 1 :]))
        return super().parse_args(ctx, args[:place])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Show both sides."""
        return [*super().collect_usage_pieces(ctx), "-- NEW..."]


@verbs.command(cls=TwoSides)
@click.argument("base", metavar="BASE...", nargs=-1, type=RUN_DIRECTORY)
@click.option("--tolerance", default="5%", show_default=True, help="Change of a time or rate that counts as none.")
@click.option("--only", multiple=True, metavar="PATTERN", help="Compare these indicators only; repeatable.")
@click.option("--despite", multiple=True, metavar="KEY", help="Let this difference pass, by the key named; repeatable.")
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write an HTML page too.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_context
def compare(context: click.Context, /, base: tuple[Path, ...], page: Path | None, as_json: bool, **order: Any) -> None:
    """Compare repeats of one scenario before and after a change: run directories, or capacity searches.

    Exits 0 when NEW is better or the same, 1 when it is worse, 3 when these runs cannot tell, 2 when they cannot be
    compared. Give five runs of each, taking turns.
    """
    from prakerja_load.judgement import compared
    from prakerja_load.report import compared as words

    found = compared.compare_runs(compared.CompareOrder(base, context.meta["new"], **order))
    if page is not None:
        words.write_page(found, page)
    if as_json:
        click.echo(json.dumps(compared.compared_json(found), ensure_ascii=False, indent=2))
    else:
        for line in words.lines(found):
            click.echo(line)
    sys.exit(found.comparison.outcome.exit_code)


@verbs.command()
@click.argument("run_directory", metavar="RUN", type=RUN_DIRECTORY)
@click.option(
    "--stored",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Your system's table as .csv, .csv.gz or .parquet, instead of the registrar's export.",
)
@click.option("--sql", metavar="URL", help="Your system's database: sqlite:///… postgresql://…")
@click.option("--query", metavar="SELECT", help="The query that gives the table; it is only read.")
@click.option(
    "--key",
    default="email",
    show_default=True,
    metavar="FIELD[=COLUMN]",
    help="By what a row is found: email, nik, phone, key …",
)
@click.option("--column", "columns", multiple=True, metavar="FIELD=COLUMN", help="A column to compare; repeatable.")
@click.option("--step", metavar="NAME", help="The write that makes a row; default: the first that is stored.")
@click.option("--ignore-others", is_flag=True, help="Do not judge rows of people who are not of this run.")
@click.option("--record", is_flag=True, help="Keep the result in RUN and judge RUN by it: writes verdict.json again.")
def reconcile(run_directory: Path, ignore_others: bool, record: bool, **table: Any) -> None:
    """Reconcile every acknowledged write of RUN with what the system stored, and say what differs.

    Looks into the registrar's export that RUN holds, or into a table of your own system.
    """
    from prakerja_load.judgement.judge import judge_run
    from prakerja_load.judgement.lookup import TableOrder
    from prakerja_load.judgement.record import write_verdict
    from prakerja_load.report.reconciled import reconciled

    order = TableOrder(**table, ignores_others=ignore_others, is_recorded=record)
    lines, verdict = reconciled(run_directory, order)
    for line in lines:
        click.echo(line)
    if record:
        write_verdict(judge_run(run_directory), run_directory)
    sys.exit(verdict.exit_code)


@verbs.command()
@click.option("--count", type=click.IntRange(0), required=True, help="How many applicants.")
@click.option("--start", type=click.IntRange(0), default=0, show_default=True, help="Index of the first.")
@click.option("--seed", type=click.IntRange(0), default=2020, show_default=True)
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
def applicants(count: int, start: int, seed: int, kind: str) -> None:
    """Stream synthetic applicants to standard output; the same index is always the same person."""
    from prakerja_load.applicants import stream

    stream.write(sys.stdout.buffer, seed=seed, start=start, count=count, kind=kind)


@verbs.command()
@click.argument("scenario", type=SCENARIO_FILE, required=False)
@click.option("--rules", "only_rules", is_flag=True, help="List every rule of a verdict with its threshold and reason.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--reports", type=click.Path(file_okay=False, path_type=Path), default=Path("reports"), show_default=True)
def doctor(scenario: Path | None, only_rules: bool, as_json: bool, reports: Path) -> None:
    """Measure what this machine can measure, in two minutes, or list the rules of a verdict.

    Plays known lengths: the clock, timers, a target that answers at once, a known queue, a known stall. Says the limits
    that follow, for each ramp of SCENARIO whether it is within them, and keeps them in doctor.json among the reports,
    which every later run quotes. Exits 3 when a known length was not met, or a ramp is refused.
    """
    if only_rules:
        from prakerja_load.judgement import rules

        if as_json:
            click.echo(json.dumps({"schema": 1, "rules": rules.rules_json()}, ensure_ascii=False, indent=2))
            return
        for line in rules.lines():
            click.echo(line)
        return
    from prakerja_load.calibration import doctor as calibration

    ramps = calibration.asked_of(scenario) if scenario is not None else None
    told = (lambda _: None) if as_json else click.echo
    diagnosis = calibration.examine(told, ramps)
    path = calibration.keep(diagnosis, reports)
    click.echo(json.dumps(calibration.record(diagnosis), ensure_ascii=False, indent=2) if as_json else f"wrote {path}")
    sys.exit(0 if diagnosis.is_sound else 3)


def main(arguments: list[str] | None = None) -> None:
    """Run a verb; what goes wrong on purpose is one clear message and its exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it means what Ctrl-C means
    try:
        verbs.main(args=arguments, prog_name="prakerja-load", standalone_mode=True)
    except PrakerjaLoadError as error:
        click.echo(f"prakerja-load: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # the reader of our output has gone, which is its right
        sys.stderr.close()
        sys.exit(0)
    except Exception:
        # exit code 1 would say that a ramp was not sustained
        traceback.print_exc()
        click.echo("prakerja-load: an error of the harness itself; please report it with the lines above", err=True)
        sys.exit(PrakerjaLoadError.exit_code)
