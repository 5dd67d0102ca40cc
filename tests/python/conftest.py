"""What macros return, without dbt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest

MACROS = Path(__file__).resolve().parents[2] / "macros"


def _value(name: str) -> Any:
    """What a macro without arguments returns that calls nothing but others of its kind; every var is null in it."""
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], loader=jinja2.FileSystemLoader(MACROS))
    folders = {path.stem: path.parent.name for path in MACROS.glob("*/*.sql")}
    returned: list[Any] = []

    class Macros:
        def __getattr__(self, called: str) -> Callable[[], Any]:
            def call() -> Any:
                template = environment.get_template(f"{folders[called]}/{called}.sql", globals=names)
                getattr(template.module, called)()
                return returned.pop()

            return call

    names = {"return": returned.append, "dbt_experiments": Macros(), "var": lambda name: None}
    return getattr(Macros(), name)()


@pytest.fixture
def macro_value() -> Callable[[str], Any]:
    """Call a macro that returns a list or a map of constants."""
    return _value
