"""What a function says when it is given something it cannot take: a sentence that names the argument and the remedy."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

P = ParamSpec("P")
R = TypeVar("R")

FROM_MOMENTS = "with m = moments_of(values) they are m.mean[0], m.var[0] and m.n"
FROM_TWO_COLUMNS = "moments_of(np.column_stack([first, second])) has them"


def check_kind(kind: type, maker: str, **arguments: object) -> None:
    """Refuse arguments that are not of the kind that a function works with.

    Parameters
    ----------
    kind : type
        What the arguments must be.
    maker : str
        The function that makes it.
    **arguments : object
        The arguments, by name.

    Raises
    ------
    TypeError
        For an argument of another kind.

    Examples
    --------
    >>> check_kind(dict, "dict()", options=[1.0, 2.0])
    Traceback (most recent call last):
    ...
    TypeError: options must be dict, made by dict(); found list
    """
    for name, given in arguments.items():
        if not isinstance(given, kind):
            raise TypeError(f"{name} must be {kind.__name__}, made by {maker}; found {type(given).__name__}")


def check_axis(what: str, *, axis: int = -1, **arguments: npt.ArrayLike) -> None:
    """Refuse arrays whose axis of arms, looks or values is empty; an empty axis of cells is no mistake.

    Parameters
    ----------
    what : str
        What the axis holds.
    axis : int, default -1
        The axis.
    **arguments : array_like
        Arrays with at least one axis, by name.

    Raises
    ------
    ValueError
        For an empty axis.

    Examples
    --------
    >>> check_axis("looks", effect=[])
    Traceback (most recent call last):
    ...
    ValueError: effect holds no looks: its shape is (0,)
    """
    for name, given in arguments.items():
        shape = np.shape(given)
        if shape and shape[axis] == 0:
            raise ValueError(f"{name} holds no {what}: its shape is {shape}")


def takes_summaries(what: str, remedy: str = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function of two arms' summaries so that a call with the arms' raw values is answered in a sentence.

    Parameters
    ----------
    what : str
        The summaries that the function takes.
    remedy : str, optional
        How they are made.

    Returns
    -------
    callable
        A decorator. The decorated function raises a TypeError where it is called with two positional arguments and
        without others that it needs.

    Examples
    --------
    >>> @takes_summaries("means and counts")
    ... def difference(mean_control, n_control, mean_treatment, n_treatment):
    ...     return mean_treatment - mean_control
    >>> difference([1.0, 2.0], [3.0, 5.0])
    Traceback (most recent call last):
    ...
    TypeError: difference() takes means and counts of each arm, not two arrays of values
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        needed = [
            name
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.default is inspect.Parameter.empty and parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ][2:]
        sentence = f"{function.__name__}() takes {what} of each arm, not two arrays of values"
        sentence += f": {remedy}" if remedy else ""

        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the function takes
            if len(args) == 2 and not kwargs.keys() >= set(needed):
                raise TypeError(sentence)
            return function(*args, **kwargs)

        # With the globals of the function's own module: there doctest looks whether an example is the module's.
        own = types.FunctionType(call.__code__, function.__globals__, function.__name__, None, call.__closure__)
        return functools.wraps(function)(own)

    return decorate
