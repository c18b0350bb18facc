"""Tables for the terminal and the notebook."""

from __future__ import annotations

import html
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns. A column without any text is left out."""
    lines = _used(header, rows)
    widths = [max(map(len, column)) for column in zip(*lines)]
    aligned = []
    for line in lines:
        cells = map(str.ljust, line, widths)
        aligned.append("  ".join(cells).rstrip())
    return "\n".join(aligned)


def _used(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The header and the rows, without the columns that have no text."""
    used = [any(column) for column in zip(*rows)]
    lines = (header, *rows)
    return [[*itertools.compress(line, used)] for line in lines]


# The colour is seen at a glance, and the word beside it needs no colour. Mid tones are readable on light and dark.
COLOURS = {
    "latent": "#2a7de1",
    "kept": "#2a9d5c",
    "deterministic": "#b8860b",
    "stripped": "#8a8a8a",
    "redrawn": "#e07b39",
    "refused": "#d1495b",
    "observed": "#8a63d2",
}


_CELL = 'style="text-align:left;padding:0.15em 0.8em"'


def html_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "", foot: Sequence[str] = ()
) -> str:
    """An HTML table in the notebook's own colours, kinds and verdicts marked; below it the lines of its foot."""
    names, *lines = _used(header, rows)
    head = body = ""
    for name in names:
        head += f"<th {_CELL}>{html.escape(name)}</th>"
    for line in lines:
        cells = map(_cell, line)
        body += f"<tr>{''.join(cells)}</tr>"
    title = ""
    if caption:
        title = f"<caption {_CELL}>{html.escape(caption)}</caption>"
    table = f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    below = ""
    for text in foot:
        below += f"<div {_CELL}>{html.escape(text)}</div>"
    return f'<div style="overflow-x:auto">{table}</div>{below}'  # in a narrow window the table scrolls


def _cell(text: str) -> str:
    kind = "observed" if text.startswith("observed if") else text
    colour = COLOURS.get(kind)
    mark = f'<span style="color:{colour};margin-left:0.4em">&#9632;</span>' if colour else ""
    return f"<td {_CELL}>{html.escape(text)}{mark}</td>"


def dataframe(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """A pandas table indexed by its first column; every cell stays as it is, also a tuple."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("to_dataframe() makes a pandas table: pip install pandas") from error

    columns = {}
    for i, name in enumerate(header):
        columns[name] = pd.Series([row[i] for row in rows], dtype=object)
    return pd.DataFrame(columns).set_index(header[0])
