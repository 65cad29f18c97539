"""Columns line up: words to the left, numbers to the right."""

from scenekit.tables import aligned


def test_columns_line_up():
    assert aligned([("node", "kg"), ("a", "1.5"), ("longer", "10.25")]) == [
        "  node       kg",
        "  a         1.5",
        "  longer  10.25",
    ]
