"""Write docs/api.md, the public names with their signatures and docstrings.

python scripts/make_api.py [--check]
"""

import ast
import dataclasses
import inspect
import re
import sys
from pathlib import Path
from typing import Any, get_args

import anymole
from engine.settings.setting import fields_of, limits_text

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api.md"
HEAD = """# Python API

`import anymole` brings these names, each imported when it is first used. What stands here stays; modules behind it may
change. Arrays say their shape (`Float[np.ndarray, "frame joint 3"]`); quaternions are w x y z; see
[conventions](conventions.md).
This page is made from the docstrings: `python scripts/make_api.py`.

"""
_ROLE = re.compile(r":(?:class|func|mod|data|meth|attr):`~?(?:[\w.]*\.)?(\w+)`")


def page() -> str:
    """The whole page."""
    functions, classes, unions, errors = [], [], [], []
    for name in anymole.__all__:
        value = getattr(anymole, name)
        if inspect.isclass(value):
            (errors if issubclass(value, BaseException) else classes).append((name, value))
        elif inspect.isfunction(value):
            functions.append((name, value))
        else:
            unions.append((name, value))
    parts = [HEAD, "## Functions\n"]
    parts += [_function(name, value) for name, value in functions]
    parts.append("## Data\n")
    parts += [_class(name, value) for name, value in classes]
    parts += [
        f"### `{name}`\n\nOne of {', '.join('`' + getattr(m, '__name__', m) + '`' for m in get_args(value))}.\n"
        for name, value in unions
    ]
    parts.append("## Errors\n")
    parts += [f"- **`{name}`** ({value.__base__.__name__}): {_first(value)}" for name, value in errors]
    return "\n".join(parts) + "\n"


def _function(name: str, value: Any) -> str:
    return f"### `{name}`\n\n```python\n{name}{_signature(value)}\n```\n\n{_text(value)}\n"


def _signature(value: Any) -> str:
    """One line per parameter, annotations as they are written."""
    tree = ast.parse(inspect.getsource(value))
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    arguments = [a.strip() for a in _split(ast.unparse(function.args))]
    returns = ast.unparse(function.returns) if function.returns else "None"
    return "(\n" + "".join(f"    {a},\n" for a in arguments) + f") -> {returns}"


def _split(arguments: str) -> list[str]:
    """At the commas that stand in no brackets."""
    depth, parts = 0, [""]
    for character in arguments:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()]


def _class(name: str, value: Any) -> str:
    """A class with its fields and what is written below each."""
    text = f"### `{name}`\n\n{_text(value)}\n"
    if not dataclasses.is_dataclass(value):
        return text
    body = ast.parse(inspect.getsource(value)).body[0]
    assert isinstance(body, ast.ClassDef)
    declared = _declared(value)
    rows = []
    for node, following in zip(body.body, [*body.body[1:], None], strict=True):
        if not isinstance(node, ast.AnnAssign):
            continue
        told = (
            following
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            else None
        )
        says = " ".join(str(told.value.value).split()) if told else ""  # type: ignore[attr-defined]
        field_name = ast.unparse(node.target)
        if field_name in declared:
            kind, says = ast.unparse(node.annotation.slice.elts[0]), declared[field_name]  # type: ignore[attr-defined]
        elif "ClassVar" in ast.unparse(node.annotation):
            continue
        else:
            kind = ast.unparse(node.annotation)
        default = f" = {ast.unparse(node.value)}" if node.value is not None else ""
        rows.append(f"| `{field_name}` | `{kind}{default}` | {_plain(says)} |".replace("||", "|"))
    return text + "\n| field | type | |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"


def _declared(value: Any) -> dict[str, str]:
    """What a settings class declares of its fields: help, limits, meaning of empty, first stage that depends on it."""
    try:
        fields = fields_of(value)
    except TypeError:  # a class without settings
        return {}
    says = {}
    for field in fields:
        limits = limits_text(field.setting) if field.kind in ("integer", "number") else ""
        empty = f"empty: {field.setting.empty}" if field.setting.empty else ""
        first = f"redone from: {field.setting.counts_from}" if field.setting.counts_from else ""
        more = "; ".join(filter(None, (limits, empty, first)))
        says[field.name] = f"{field.setting.help} [{more}]" if more else field.setting.help
    return says


def _text(value: Any) -> str:
    """A docstring as Markdown: its sections as lists."""
    lines = []
    for line in inspect.cleandoc(value.__doc__ or "").splitlines():
        section = re.fullmatch(r"(Args|Returns|Raises|Other args):", line)
        item = re.fullmatch(r"    ([\w, ]+): (.*)", line)
        if section:
            lines += ["", f"*{section[1]}*", ""]
        elif item:
            lines.append(f"- `{item[1]}`: {item[2]}")
        else:
            lines.append("  " + line.strip() if line.startswith("        ") else line.strip())
    return _plain("\n".join(lines)).strip()


def _plain(text: str) -> str:
    return _ROLE.sub(r"`\1`", text).replace("``", "`").replace("|", "\\|")


def _first(value: Any) -> str:
    return _plain(" ".join((value.__doc__ or "").split("\n\n")[0].split()))


def main() -> None:
    """Write the page, or with --check say whether it is current."""
    made = page()
    if "--check" not in sys.argv:
        PAGE.write_text(made, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != made:
        sys.exit("docs/api.md is not what the docstrings say: run 'python scripts/make_api.py'")


if __name__ == "__main__":
    main()
