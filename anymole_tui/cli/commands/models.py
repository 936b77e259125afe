"""``models``: what weights there are, what they need and allow, where they are, and how to bring them here."""

from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from anymole_tui.cli import output as out
from anymole_tui.cli.options import AsJson, Debug, GroupedCommand, completer
from anymole_tui.wording import table
from engine import ConfigError, ResourceMissing

if TYPE_CHECKING:
    from engine import Progress
    from engine.video import ModelCard


def _names() -> tuple[str, ...]:
    from engine.video import card_names

    return card_names()


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="One of 'anymole models list'.",
        show_default=False,
        autocompletion=completer(_names),
    ),
]
CONVERTIBLE = "dynamicrafter"
Precision = Literal["fp32", "fp16", "bf16"]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(
        help="Weights of video models and image features.", no_args_is_help=True, rich_markup_mode=None
    )
    group.command(name="list", cls=GroupedCommand)(list_models)
    for command in (memory, pull, verify, path, convert):
        group.command(cls=GroupedCommand)(command)
    app.add_typer(group, name="models")


def list_models(as_json: AsJson = False, debug: Debug = False) -> None:
    """Show every model: size, least memory of a GPU, licence and its limits, and whether it is here."""
    from engine.video import all_cards, hub_cache, models_folder

    cards, wrong = all_cards()
    found = [_facts(card) for card in cards]
    for sentence in wrong:
        out.say(sentence)
    if as_json:
        folders = {"folder": str(models_folder()), "hub_cache": str(hub_cache())}
        out.print_json({"models": found, **folders, "packages": wrong})
        return
    header = ["model", "size", "run on", "adapt on", "licence", "state"]
    rows = [
        [
            m["name"],
            _gb(m["gigabytes"]),
            _gb(m["memory_generate_gb"]),
            _gb(m["memory_adapt_gb"]),
            m["licence"],
            m["state"],
        ]
        for m in found
    ]
    out.answer(table(header, rows))
    for m in found:
        notes = [m["what"], *(f"licence: {t}" for t in [m["limits"]] if t), m["path"] or "", m["detail"]]
        out.answer(f"\n{m['name']}: " + "\n  ".join(filter(None, notes)))
    out.say(f"looked for in {models_folder()} and {hub_cache()}")


def _gb(value: float) -> str:
    return f"{value:g} GB" if value else "-"


def _facts(card: "ModelCard") -> dict[str, Any]:
    from dataclasses import asdict

    from engine.video import find_model

    found = find_model(card)
    return {
        **asdict(card),
        "gigabytes": card.gigabytes,
        "state": found.state,
        "path": None if found.path is None else str(found.path),
        "detail": found.detail,
    }


def memory(
    card: Annotated[
        float,
        typer.Option(
            "--card", help="Memory of the GPU [1e9 bytes].", metavar="GB", show_default="that of the GPU here"
        ),
    ] = 0.0,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what fits a GPU: memory of the wan and ltx models, computed, at the sizes of the qualities."""
    from engine.video import gpu_gb, memory_table

    if not 0 <= card < float("inf"):
        raise ConfigError("a GPU has a number of GB of memory, 0 or more; give it in GB.", settings=("card",))
    have = card or gpu_gb()
    sizes = {"320x512": (320, 512), "256x416": (256, 416), "480x832": (480, 832)}
    needs = {text: memory_table(*size) for text, size in sizes.items()}
    if as_json:
        rows = [
            {"model": n.model, "weights": n.weights, "resolution": text, "weights_gb": n.weights_gb}
            | {"peak_gb": n.peak_gb, "card_gb": n.card_gb, "fits": n.card_gb <= have if have else None}
            for text, table_ in needs.items()
            for n in table_
        ]
        out.print_json({"card_gb": have or None, "needs": rows})
        return
    header = ["model", "weights", "of them", *sizes]
    lines = [
        [first.model, first.weights, f"{first.weights_gb:.1f} GB"]
        + [f"{ceil(n.card_gb)} GB{' fits' if have and n.card_gb <= have else ''}" for n in (first, *others)]
        for first, *others in zip(*needs.values(), strict=True)
    ]
    out.answer(table(header, lines))
    out.say(
        f"fits: a GPU of {have:.1f} GB." if have else "no GPU is here; --card GB marks what would fit one."
    )
    out.say(
        "computed from the sizes of the networks and not measured; int8 and fp8 need the extra quantised, Q8_0 to Q4_K "
        "the extra gguf and a file (--gguf); lowest is --memory lowest."
    )


def pull(
    name: Name,
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="A mirror's http(s) address or a folder, with one sub-folder per model.",
            show_default="ANYMOLE_MIRROR, else the Hugging Face hub",
        ),
    ] = "",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Fetch what is missing of a model, going on where a download was cut off, and check it."""
    from engine.video import card
    from engine.video import pull as pull_model

    model = card(name)
    out.say(f"{model.name}: about {model.gigabytes:g} GB, licence {model.licence}")
    if model.limits:
        out.say(f"licence: {model.limits}")
    paths = pull_model(model, source, progress=_progress())
    if as_json:
        out.print_json(_facts(model) | {"files": [str(p) for p in paths]})
    else:
        out.answer("\n".join(map(str, paths)))
        out.say(_facts(model)["detail"] or f"{model.name} is ready")


def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Models to check.",
            show_default="all that are here",
            autocompletion=completer(_names),
        ),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check files against their hashes; where none is known, that they are whole and cannot run code."""
    from engine.video import CARDS, card, find_model
    from engine.video import verify as verify_model

    chosen = [card(name) for name in names or []]
    if not names:
        chosen = [c for c in CARDS if find_model(c).state in ("ready", "to convert")]
    checked = {c.name: verify_model(c) for c in chosen}
    if as_json:
        rows = [
            {"model": name, "path": str(f.path), "bytes": f.size, "checked": f.how}
            for name, files in checked.items()
            for f in files
        ]
        out.print_json({"files": rows})
        return
    if not checked:
        out.say("no model is here; 'anymole models list' shows what there is.")
    for name, files in checked.items():
        for file in files:
            out.answer(f"{name}: {file.how} is right: {file.path} ({file.size} bytes)")


def path(name: Name, as_json: AsJson = False, debug: Debug = False) -> None:
    """Print where a model is."""
    from engine.video import card, find_model, require_file

    model = card(name)
    found = find_model(model)
    if found.path is None and model.files:
        require_file(model, model.files[0])  # says where it was looked for and what to do
    if found.state == "incomplete":
        raise ResourceMissing(f"{model.name} is incomplete: {found.detail}")
    if as_json:
        out.print_json({"name": model.name, "path": found.path and str(found.path), "state": found.state})
    else:
        out.answer(str(found.path or found.detail))


def convert(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="One whose weights come as a checkpoint: dynamicrafter.",
            show_default=False,
            autocompletion=completer(lambda: (CONVERTIBLE,)),
        ),
    ],
    source: Annotated[
        Path | None, typer.Option("--source", help="The checkpoint.", show_default="where pull put it")
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option("--precision", help="Of the result: fp16 and bf16 halve it.", show_default="as it is"),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Turn a model's checkpoint into safetensors once; the checkpoint is read without running code and kept."""
    from engine.video import DTYPES, card, convert_checkpoint, models_folder, require_file

    model = card(name)
    if name != CONVERTIBLE:
        raise ConfigError(f"{name} needs no conversion; only {CONVERTIBLE} does.")
    checkpoint = source or require_file(model, model.files[0])
    folder = models_folder() / model.name
    convert_checkpoint(
        checkpoint, folder, progress=_progress(), dtype=None if precision is None else DTYPES[precision]
    )
    if as_json:
        out.print_json(_facts(model))
    else:
        out.answer(str(folder))


def _progress() -> "Progress":
    """Tells every percent once; a model comes in thousands of pieces."""
    from engine import Event, Progress, StageProgress

    reported: set[int] = set()

    def tell(event: Event) -> None:
        if isinstance(event, StageProgress) and event.total:
            percent = 100 * event.done // event.total
            if percent not in reported:
                reported.add(percent)
                out.say(f"{percent} %")

    return Progress(tell)
