"""``submit`` and ``shot``: many shots on a farm, a cluster or this machine, and one of them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anymole_tui.cli import output as out
from anymole_tui.cli.options import AsJson, Debug, GroupedCommand, ProgressOption, completer, takes_settings
from engine import SHOWN_ERRORS, ConfigError, EngineError, RunCancelled, message_of
from engine.farm import Needs
from engine.settings import fields_of
from usd_io import counted, shown

if TYPE_CHECKING:
    from engine.farm import ShotTask, Submission, SubmissionSummary

EXAMPLES = """anymole submit shots.toml --to openjd --out filled
anymole submit a.usda b.usda --jobs 4 --gpus 1"""
TARGETS = ("openjd", "slurm", "ray", "local", "commands", "kubernetes")
_OWNERS = {
    "partition": "slurm",
    "address": "ray",
    **dict.fromkeys(("image", "claim", "mount", "queue"), "kubernetes"),
}
"""Options that one farm alone takes."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(cls=GroupedCommand, epilog=EXAMPLES)(submit)
    app.command(cls=GroupedCommand)(shot)


@takes_settings(fields_of(Needs), lambda values: Needs(**values))
def submit(
    needs: Needs,
    stages: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SHOTS.toml|STAGE...", help="A shot list, or stages to fill.", show_default=False
        ),
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            help="Where the shots are done.",
            metavar="|".join(TARGETS),
            autocompletion=completer(lambda: TARGETS),
        ),
    ] = "local",
    target: Annotated[
        Path, typer.Option("--out", help="Folder of the submission; every shot gets one inside it.")
    ] = Path("shots"),
    status: Annotated[
        bool, typer.Option("--status", help="Sum up the submission in --out and stop.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be submitted and stop.")
    ] = False,
    jobs: Annotated[int, typer.Option(help="Shots at a time.", min=1)] = 2,
    chunk: Annotated[
        int,
        typer.Option(
            help="Shots that one process does, one after another.",
            min=0,
            show_default="locally by their number, else 1",
        ),
    ] = 0,
    partition: Annotated[str, typer.Option(help="Slurm partition.", show_default=False)] = "",
    address: Annotated[str, typer.Option(help="Ray cluster; 'local' starts one.", show_default="auto")] = "",
    image: Annotated[str, typer.Option(help="Kubernetes: image with anymole.", show_default=False)] = "",
    claim: Annotated[
        str, typer.Option(help="Kubernetes: volume claim with the shots.", show_default=False)
    ] = "",
    mount: Annotated[
        str,
        typer.Option(help="Kubernetes: where that is mounted.", show_default="the folder all paths share"),
    ] = "",
    queue: Annotated[str, typer.Option(help="Kubernetes: Kueue's local queue.", show_default=False)] = "",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Send shots to a farm, a cluster or this machine; one task is one shot, and may be repeated at any time."""
    from engine.farm import (
        SHOT_LIST,
        Submission,
        check_submission_folder,
        good_chunk,
        read_shots,
        summarise,
        write_shots,
    )

    if to not in TARGETS:
        raise ConfigError(f"{to!r} is not a known farm; choose {', '.join(TARGETS)}.", settings=("to",))
    folder = target.absolute()
    if status:
        if not (folder / SHOT_LIST).is_file():
            raise ConfigError(f"{shown(folder)} holds no submission; name its folder.", settings=("out",))
        _answer(summarise(read_shots(folder / SHOT_LIST), folder), as_json=as_json)
        return
    names = stages or []
    given = Path(names[0]) if len(names) == 1 and names[0].endswith(".toml") else None
    shots = _shots(names)
    _refuse_options_of_others(
        to, partition=partition, image=image, claim=claim, mount=mount, queue=queue, address=address
    )
    check_submission_folder(folder)
    size = chunk or (good_chunk(shots, needs, jobs) if to == "local" else 1)
    batch = Submission(shots, folder, needs, given=given, chunk=size)
    if to == "kubernetes":
        return _write_job(batch, (image, claim, mount, queue), jobs=jobs, dry_run=dry_run, as_json=as_json)
    if dry_run:
        _show(batch, to, jobs=jobs, as_json=as_json)
        return
    if to == "commands":
        return _write_commands(batch, as_json=as_json)
    if to == "openjd":
        _write_template(batch, as_json=as_json)
        return
    write_shots(batch.shots, folder, batch.given)
    if to == "slurm":
        from engine.farm import submit as to_slurm

        ids = to_slurm(batch, jobs=jobs, partition=partition)
        _submitted(
            {"jobs": ids, "out": str(folder)},
            f"{counted(len(batch.shots), 'shot')} queued as {ids[0]} to {ids[-1]}",
            as_json=as_json,
        )
    else:
        _run_here(batch, to, jobs=jobs, address=address or "auto")
        _answer(summarise(batch.shots, folder), as_json=as_json)


def _refuse_options_of_others(to: str, **given: str) -> None:
    """An option that another farm takes would be ignored without a word."""
    for name, value in given.items():
        owner = _OWNERS[name]
        if value and owner != to:
            raise ConfigError(
                f"{name} is for {owner} alone, and these shots go to {to}.", settings=(name, "to")
            )


def _shots(names: list[str]) -> "tuple[ShotTask, ...]":
    from engine.farm import read_shots, shots_of_stages

    if len(names) == 1 and names[0].endswith(".toml"):
        return read_shots(Path(names[0]))
    missing = next((name for name in names if not Path(name).is_file()), None)
    if missing is not None:
        what = "is no file" if Path(missing).exists() else "does not exist"
        raise ConfigError(f"{shown(missing)} {what}; name stages or a shot list.")
    if not names:
        raise ConfigError("name a shot list or stages.")
    return shots_of_stages(names, {})


def _run_here(batch: "Submission", to: str, *, jobs: int, address: str) -> None:
    from engine.runs import stop_signals

    done = 0

    def tell(shot: "ShotTask", state: str) -> None:
        nonlocal done
        done += 1
        out.say(f"{done} of {len(batch.shots)}: {shot.name} {state}")

    with stop_signals() as stop:
        if to == "ray":
            from engine.farm import run_on_ray

            run_on_ray(batch, address=address, on_shot=tell, stop=stop)
        else:
            from engine.farm import run_pool
            from engine.runs import LoadSampler

            run_pool(batch, jobs=jobs, on_shot=tell, stop=stop, gpus=len(LoadSampler().sample().gpus))


def _write_template(batch: "Submission", *, as_json: bool) -> None:
    from engine.farm import write_template

    path, checked = write_template(batch)
    if not checked:
        out.say("note: not checked, since openjd-model is not installed (pip install 'anymole[farm]').")
    text = f"{path}\nrun it here:  openjd run {path} --step InBetween"
    _submitted({"template": str(path), "checked": checked, "out": str(batch.out)}, text, as_json=as_json)


def _write_commands(batch: "Submission", *, as_json: bool) -> None:
    from engine.farm import write_commands

    path = write_commands(batch)
    text = f"{path}\nrun it here:  parallel --jobs 2 < {path}      on OpenCue:  cuecmd {path}"
    _submitted({"commands": str(path), "out": str(batch.out)}, text, as_json=as_json)


def _write_job(
    batch: "Submission", names: tuple[str, str, str, str], *, jobs: int, dry_run: bool, as_json: bool
) -> None:
    from engine.farm import Cluster, job, write_job

    cluster = Cluster(*names)
    if dry_run:
        out.print_json(job(batch, cluster, jobs=jobs))
        return
    path = write_job(batch, cluster, jobs=jobs)
    text = f"{path}\nsubmit it:  kubectl create -f {path}"
    _submitted({"job": str(path), "out": str(batch.out)}, text, as_json=as_json)


def _submitted(values: dict[str, object], text: str, *, as_json: bool) -> None:
    if as_json:
        out.print_json(values)
    else:
        out.answer(text)


def _show(batch: "Submission", to: str, *, jobs: int, as_json: bool) -> None:
    from engine.farm import parameters, template

    plan: dict[str, object] = {"to": to, "out": str(batch.out), "shots": [s.name for s in batch.shots]}
    if to == "openjd":
        plan["template"] = template(batch)
    else:
        plan["tasks"] = [batch.task(*numbers) for numbers in batch.chunks()]
        plan["needs"] = parameters(batch, jobs=jobs) if to == "slurm" else vars(batch.needs)
    if as_json:
        out.print_json(plan)
    else:
        out.answer(json.dumps(plan, indent=2))


def _answer(summary: "SubmissionSummary", *, as_json: bool) -> None:
    if as_json:
        out.print_json({**vars(summary), "exit_code": int(summary.exit_code)})
    else:
        states = ", ".join(f"{count} {state}" for state, count in sorted(summary.states.items()))
        out.answer(
            f"{counted(summary.total, 'shot')} in {summary.out}: {states}; {summary.percent:.0f} % of all"
        )
        for failure in summary.failures:
            out.answer(f"  {failure['name']} (exit code {failure['exit_code']}): {failure['message']}")
    if summary.exit_code:
        raise typer.Exit(summary.exit_code)


def shot(
    shot_list: Annotated[Path, typer.Argument(metavar="SHOTS.toml", help="A shot list.", show_default=False)],
    number: Annotated[
        str, typer.Option(help="Which shot, counted from 1, or several: 1-8,12.", show_default=False)
    ],
    target: Annotated[Path, typer.Option("--out", help="Folder of the submission.", show_default=False)],
    path_mapping: Annotated[
        Path | None,
        typer.Option("--path-mapping", help="Rules of an OpenJD session, JSON.", show_default=False),
    ] = None,
    progress: ProgressOption = "auto",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Do shots of a list: begin each, go on with it, or confirm that it is done. This is what farms call."""
    from anymole_tui.cli import attach as attaching
    from anymole_tui.cli.progress_view import listener, progress_kind, progress_view
    from engine import run as engine_run
    from engine.farm import mapped, read_path_mapping, read_shots
    from engine.runs import stop_signals

    kind, shots = progress_kind(progress), read_shots(shot_list)
    chosen = [shots[n - 1] for n in _numbers(number, len(shots), shot_list)]
    rules = read_path_mapping(path_mapping) if path_mapping else ()
    failures = []
    for task in chosen:
        config = mapped(task.config, rules)
        folder = task.folder(target.absolute())
        try:
            with progress_view(kind, as_json=as_json) as view, stop_signals() as stop:
                result = engine_run.resume(folder, listener(view, known=False), stop, config=config)
        except RunCancelled:
            raise
        except SHOWN_ERRORS as error:
            if len(chosen) == 1:
                raise
            # its own folder says so too, and the shots after it do not wait for it
            failures.append(task.name)
            out.say(f"{task.name}: {message_of(error)}")
        else:
            attaching.answer_run(result, kind, as_json=as_json)
    if failures:
        raise EngineError(f"{len(failures)} of {len(chosen)} shots failed: {', '.join(failures)}.")


def _numbers(text: str, most: int, shot_list: Path) -> list[int]:
    """Which shots ``1-8,12`` names."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            raise ConfigError(f"{shown(text)} names no shots; write 3, or 1-8,12.", settings=("number",))
        start, end = int(first), int(last or first)
        if not 1 <= start <= end <= most:
            wrong = start if not 1 <= start <= most else end
            raise ConfigError(
                f"there is no shot {wrong} among the {most} of {shown(shot_list)}.", settings=("number",)
            )
        found += range(start, end + 1)
    return found
