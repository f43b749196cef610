"""The verbs of the command line, nothing else; each loads what it needs when it runs."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

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


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
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
    from prakerja_load.scenario import load

    made = planning.plan(load(scenario, _settings(settings, target)))
    for line in planning.lines(made):
        click.echo(line)
    planning.refuse_undecidable(made, str(scenario))


@verbs.command()
@click.argument("scenario", type=SCENARIO_FILE, required=False)
@_overrides
@click.option("--workers", type=click.IntRange(1, 500), help="Generator processes on this machine.")
@click.option("--ramp", "ramps", type=click.IntRange(1), multiple=True, help="Only this ramp (its number); repeatable.")
@click.option("--reports", type=click.Path(file_okay=False, path_type=Path), default=Path("reports"), show_default=True)
@click.option("--resume", type=RUN_DIRECTORY, metavar="RUN", help="Finish a run directory that was cut off.")
@click.option("--exit-zero", is_flag=True, help="Exit 0 whenever the run completed, whatever the verdict.")
@click.option("--undecidable", is_flag=True, help="Run even what the plan says cannot reach a verdict.")
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
) -> None:
    """Run the ramps of SCENARIO, judge each, and write the report."""
    from prakerja_load.report.live import open_display, suits_terminal
    from prakerja_load.trial import run as trial

    if (scenario is None) == (resume is None):
        raise click.UsageError("give a scenario file, or --resume RUN, not both")
    if workers is not None:
        settings = (*settings, f"load.workers={workers}")
    with open_display(sys.stdout, suits_terminal(sys.stdout, os.environ)) as display:
        if resume is not None:
            judged = trial.resume(resume, display)
        else:
            assert scenario is not None
            order = trial.Order(scenario, _settings(settings, target), tuple(ramps), reports, undecidable)
            judged = trial.start(order, display)
    sys.exit(0 if exit_zero and judged.exit_code != PrakerjaLoadError.exit_code else judged.exit_code)


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


@verbs.command()
@click.argument("run_directory", metavar="RUN", type=RUN_DIRECTORY)
def reconcile(run_directory: Path) -> None:
    """Reconcile every acknowledged write of RUN with what the system stored, and say what differs."""
    from prakerja_load.judgement.judge import judge_run
    from prakerja_load.judgement.verdict import worst
    from prakerja_load.report.tables import integrity_lines

    judged = judge_run(run_directory)
    for ramp in judged.ramps:
        click.echo(f"ramp {ramp.number}: {ramp.name}")
        for line in integrity_lines(ramp.integrity):
            click.echo(f"  {line}")
    sys.exit(worst(ramp.integrity.verdict for ramp in judged.ramps).exit_code)


@verbs.command()
@click.option("--count", type=click.IntRange(0), required=True, help="How many applicants.")
@click.option("--start", type=click.IntRange(0), default=0, show_default=True, help="Index of the first.")
@click.option("--seed", type=click.IntRange(0), default=2020, show_default=True)
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True)
def applicants(count: int, start: int, seed: int, kind: str) -> None:
    """Stream synthetic applicants to standard output; the same index is always the same person."""
    from prakerja_load.applicants import stream

    stream.write(sys.stdout.buffer, seed=seed, start=start, count=count, kind=kind)


def main(arguments: list[str] | None = None) -> None:
    """Run a verb; what goes wrong on purpose is one clear message and its exit code."""
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
