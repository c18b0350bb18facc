"""Tables for the terminal and the notebook."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns; a column that is empty throughout is left out."""
    used = [i for i in range(len(header)) if any(row[i] for row in rows)]
    lines = [[row[i] for i in used] for row in (header, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(used))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


# Colour says it at a glance; the word beside it says it without colour. Mid tones read on light and dark.
_COLOURS = {
    "latent": "#2a7de1",
    "kept": "#2a9d5c",
    "deterministic": "#b8860b",
    "stripped": "#d1495b",
    "observed": "#8a63d2",
}


def html_table(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """An HTML table in the notebook's own colours, kinds and verdicts marked."""
    used = [i for i in range(len(header)) if any(row[i] for row in rows)]
    cell = 'style="text-align:left;padding:0.15em 0.8em"'

    def td(text: str) -> str:
        colour = _COLOURS.get(text.split(" ")[0] if text.startswith("observed if") else text)
        mark = f'<span style="color:{colour};margin-left:0.4em">&#9632;</span>' if colour else ""
        return f"<td {cell}>{html.escape(text)}{mark}</td>"

    head = "".join(f"<th {cell}>{html.escape(header[i])}</th>" for i in used)
    body = "".join("<tr>" + "".join(td(row[i]) for i in used) + "</tr>" for row in rows)
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    table = f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div style="overflow-x:auto">{table}</div>'  # in a narrow window it scrolls


def dataframe(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """A pandas table indexed by its first column; every cell as it is, tuples among them."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("to_dataframe() makes a pandas table: pip install pandas") from error

    columns = {name: pd.Series([row[i] for row in rows], dtype=object) for i, name in enumerate(header)}
    return pd.DataFrame(columns).set_index(header[0])
