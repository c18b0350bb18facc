"""Tables align in the terminal and are safe in a notebook."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from sanitize.tables import html_table, text_table

HEADER = ("name", "kind", "note")
CELLS = st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), max_size=6)
ROWS = st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=4)


def test_columns_are_aligned_and_an_empty_one_is_left_out():
    rows = [("a", "latent", ""), ("a_longer_name", "param", "")]
    assert text_table(HEADER, rows).splitlines() == [
        "name           kind",
        "a              latent",
        "a_longer_name  param",
    ]


@given(ROWS)
def test_every_cell_starts_below_its_heading(rows):
    """Whatever the cells hold: one line a row, and each column starts at one place."""
    rows = [("first", "second", "third"), *rows]
    lines = text_table(HEADER, rows).split("\n")
    assert len(lines) == 1 + len(rows)
    starts = [lines[0].index(heading) for heading in HEADER]
    for line, row in zip(lines[1:], rows):
        for start, cell in zip(starts, row):
            assert line[start:].startswith(cell.rstrip())


class _Reader(HTMLParser):
    """The tags and the text that a browser sees."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.cells, self.caption = set(), [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.open = tag
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data):
        if self.open == "caption":
            self.caption += data
        elif self.open == "td":
            self.cells[-1] += data


@given(ROWS, CELLS)
def test_no_cell_and_no_caption_can_hold_markup(rows, caption):
    """Names come from the user's model: a browser sees them as the text they are."""
    rows = [("<script>alert(1)</script>", "&amp;", "\"'>"), *rows]
    seen = _Reader(html_table(HEADER, rows, caption="<i>" + caption))
    assert seen.tags <= {"table", "caption", "thead", "tbody", "tr", "th", "td", "span", "div"}
    assert seen.cells == [cell for row in rows for cell in row]
    assert seen.caption == "<i>" + caption


def test_kinds_and_verdicts_are_marked_and_named():
    """The colour repeats what a word says: nothing is told by colour alone."""
    html = html_table(HEADER, [("a", "latent", ""), ("b", "stripped", "")])
    assert html.count("<span") == 2
    assert ">latent<span" in html
    assert ">stripped<span" in html
    assert "note" not in html
