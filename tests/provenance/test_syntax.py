"""What counts of a source, and what does not."""

from __future__ import annotations

import ast
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabench.provenance.syntax import Reader


def form(text: str) -> str:
    """What a source says, in one form."""
    reader = Reader()
    reader.read(ast.parse(text))
    return "".join(reader.text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x  =  1  # one"),
        ("x = 'a'", 'x = "a"'),
        ("x = 1", "'''A module.'''\nx = 1\n'''One.'''"),
        ("def f(): return 1", "def f():\n    '''One.'''\n    return 1"),
        ("class A: pass", "class A:\n    '''A class.'''"),
        ("raise E('a')", "raise E(f'b {c}')"),
        ("import a", "import a\nif TYPE_CHECKING:\n    import b"),
        ("import a", "import a\nif typing.TYPE_CHECKING:\n    import b"),
        ("x = 0x10", "x = 16"),
    ],
)
def test_what_does_not_run_is_not_said(one: str, other: str) -> None:
    assert form(one) == form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 'a'", "x = b'a'"),
        ("x = None", "x = ..."),
        ("raise E('a')", "raise F('a')"),
        ("raise E(1)", "raise E(2)"),
        ("f('a')", "f('b')"),
        ("x = {None: a}", "x = {**a}"),
        ("f(a, *b)", "f(*b, a)"),
        ("if TYPE_CHECKING:\n    a\nelse:\n    b()", "if TYPE_CHECKING:\n    a\nelse:\n    c()"),
        ("f'{a}'", "f'{a!r}'"),
        ("x: int = 1", "x: float = 1"),
        (f"x = 0x{'9' * 6000}", f"x = 0x{'9' * 5999}8"),
    ],
)
def test_what_runs_is_said(one: str, other: str) -> None:
    assert form(one) != form(other)


def test_the_form_of_a_tree_is_the_same_under_every_version_of_python() -> None:
    """Fixed here: a version that writes it in another way would make every record stale."""
    text = (
        "from a import b as c\nasync def f[T](x: T, /, *y, z=1, **k): return f'{x!r:>{z}}'\n"
        if sys.version_info >= (3, 12)
        else "from a import b as c\nasync def f(x: T, /, *y, z=1, **k): return f'{x!r:>{z}}'\n"
    ).replace("[T]", "")
    assert form(text) == (
        "Module(body=[ImportFrom(module='a',names=[alias(name='b',asname='c',)]level=0,)"
        "AsyncFunctionDef(name='f',args=arguments(posonlyargs=[arg(arg='x',annotation=Name(id='T',)"
        ")]vararg=arg(arg='y',)kwonlyargs=[arg(arg='z',)]kw_defaults=[Constant(value=1,)]kwarg="
        "arg(arg='k',))body=[Return(value=JoinedStr(values=[FormattedValue(value=Name(id='x',)"
        "conversion=114,format_spec=JoinedStr(values=[Constant(value='>',)FormattedValue(value="
        "Name(id='z',)conversion=-1,)]))]))])])"
    )


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_any_text_has_a_digest(text: str) -> None:
    assert (
        form(f"x = {text!r}")
        == f"Module(body=[Assign(targets=[Name(id='x',)]value=Constant(value={text!a},))])"
    )
