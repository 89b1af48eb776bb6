"""The base of the configuration models and the field types they share.

Validation never converts: a field takes what :mod:`lrft.base.checks` takes.  Models are frozen,
compare and hash by content, and go through JSON and back unchanged.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, get_args, get_origin

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    model_serializer,
)

from lrft.base import checks, html

Floats = NDArray[np.float64]


#: Marks a field, in its `Annotated`, that was not there when the first hashes were kept.
LATER = "later"
#: Of pydantic's many names on a model, those that are of use here.
_SHOWN = ("model_dump", "model_dump_json", "model_validate", "model_validate_json")


if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)


class _Listed(ModelMetaclass):
    """What Tab shows of a model, and the signature that a notebook shows."""

    def __dir__(cls) -> list[str]:
        own = {name for kind in cls.__mro__ if issubclass(kind, Model) for name in vars(kind)}
        hidden = {"positional", *vars(BaseModel)} - set(_SHOWN)
        names = (own | set(getattr(cls, "model_fields", ()))) - hidden
        return sorted([*_SHOWN, *(name for name in names if not name.startswith("_"))])


class Model(BaseModel, metaclass=_Listed):
    """A frozen configuration; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    #: Fields that may also be given by position.
    positional: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *args: Any, **data: Any) -> None:
        name = type(self).__name__
        if len(args) > len(self.positional):
            raise TypeError(
                f"{name} takes {len(self.positional)} positional arguments, got {len(args)}"
            )
        for key, value in zip(self.positional, args, strict=False):
            if key in data:
                raise TypeError(f"{name} got {key} twice")
            data[key] = value
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise ValueError(f"{name}: {explain(error)}") from None

    # Tells pydantic that validating data need not come through here.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        cls.__signature__ = _signature(cls)

    def __dir__(self) -> list[str]:
        return dir(type(self))

    def _differing(self) -> dict[str, Any]:
        """Fields that are not as by default, `kind` aside."""
        named = {name: info for name, info in type(self).model_fields.items() if name != "kind"}
        same = {
            name
            for name, info in named.items()
            if not info.is_required()
            and _json(getattr(self, name)) == _json(info.get_default(call_default_factory=True))
        }
        return {name: getattr(self, name) for name in named if name not in same}

    def __repr__(self) -> str:
        parts = [f"{name}={value!r}" for name, value in self._differing().items()]
        return f"{type(self).__name__}({', '.join(parts)})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        differing = self._differing()
        named = [name for name in type(self).model_fields if name != "kind"]
        rest = {name: getattr(self, name) for name in named if name not in differing}
        return html.table(type(self).__name__, differing, rest)

    def replace(self, **changes: Any) -> Self:
        """Make the same configuration with some fields changed, checked like a new one.

        Raises
        ------
        TypeError, ValueError
            As when it is made.

        Examples
        --------
        >>> import lrft
        >>> lrft.Training(lr=0.1, steps=10).replace(steps=20).steps
        20
        """
        return type(self)(
            **({name: getattr(self, name) for name in self.model_fields_set} | changes)
        )

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy; unlike pydantic's own, an update is checked."""
        return self.replace(**(update or {}))

    @model_serializer(mode="wrap")
    def _said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is `LATER` and has its default, or hashes from before would be others."""
        said: dict[str, Any] = handler(self)
        for name, info in type(self).model_fields.items():
            if LATER in info.metadata and _json(getattr(self, name)) == _json(info.default):
                said.pop(name, None)
        return said

    @property
    def content_hash(self) -> str:
        """sha256 (hex) of the canonical JSON, the same on every machine."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(f"lrft {type(self).__name__} 1\n{text}".encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.model_dump_json() == other.model_dump_json()

    def __hash__(self) -> int:
        return hash(self.content_hash)


def _signature(model: type[Model]) -> inspect.Signature:
    """Make the signature that help shows: types without their validators, and no `kind`."""
    parameters = []
    for name, info in model.model_fields.items():
        if name == "kind":
            continue
        by_name = inspect.Parameter.KEYWORD_ONLY
        parameters.append(
            inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD if name in model.positional else by_name,
                default=inspect.Parameter.empty if info.is_required() else info.get_default(),
                annotation=_type(info.annotation),
            )
        )
    return inspect.Signature(sorted(parameters, key=lambda one: one.kind), return_annotation=None)


def _type(kind: Any) -> str:
    """Write a type without what pydantic is told about it."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _type(inner[0])
    if origin is Literal:
        return " | ".join(map(repr, inner))
    if kind is NoneType:
        return "None"
    if kind is Ellipsis:
        return "..."
    if isinstance(origin, type) and origin is not np.ndarray and origin.__name__ != "UnionType":
        return f"{origin.__name__}[{', '.join(map(_type, inner))}]"
    if origin is np.ndarray or kind is np.ndarray:
        return "ndarray"
    if inner:  # a union
        return " | ".join(dict.fromkeys(map(_type, inner)))
    return getattr(kind, "__name__", str(kind))


def explain(error: ValidationError) -> str:
    """Give the reasons of a validation error on one line."""
    reasons = []
    for item in error.errors(include_url=False):
        field = ".".join(str(part) for part in item["loc"])
        if item["type"] == "value_error":
            reasons.append(str(item["ctx"]["error"]))
        elif item["type"] == "missing":
            reasons.append(f"{field} is required")
        elif item["type"] == "extra_forbidden":
            reasons.append(f"unknown field {field!r}")
        else:
            message = item["msg"][0].lower() + item["msg"][1:]
            where = f"{field}: " if field else ""
            reasons.append(f"{where}{message}, got {checks.describe(item['input'])}")
    return "; ".join(dict.fromkeys(reasons))


def _json(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return list(value) if isinstance(value, tuple) else value


#: To go with :func:`plain` and :func:`named_or_array`.
AS_JSON = PlainSerializer(_json, when_used="json")


def checked(check: Callable[[str, Any], Any]) -> BeforeValidator:
    """Make a validator of a field from a check of (name, value)."""

    def validate(value: Any, info: ValidationInfo) -> Any:
        return check(info.field_name or "value", value)

    return BeforeValidator(validate)


def plain(check: Callable[[str, Any], Any]) -> PlainValidator:
    """Make a validator whose result is final, from a check of (name, value)."""

    def validate(value: Any, info: ValidationInfo) -> Any:
        return check(info.field_name or "value", value)

    return PlainValidator(validate)


#: A vector (n,) in, a read-only float64 array out, a list in JSON.
Vector = Annotated[
    Floats,
    plain(lambda name, value: checks.array(name, value, ("n",))),
    AS_JSON,
]


def named_or_array(*names: str, ndim: int, unit: bool = False, numbers: bool = False) -> Any:
    """Make the metadata of a field that takes a name or an array (and a number, if asked)."""

    def check(name: str, value: Any) -> Any:
        if isinstance(value, str):
            return checks.choice(name, value, names)
        if numbers and np.isscalar(value):
            return checks.real(name, value)
        if np.isscalar(value) or value is None:
            raise TypeError(
                f"{name} must be one of {checks.listed(names)} or an array, "
                f"got {checks.describe(value)}"
            )
        result = checks.array(name, value, ("n",) if ndim == 1 else ("n", "m"))
        if unit:
            checks.unit(name, result)
        return result

    return plain(check)


Flag = Annotated[bool, checked(checks.boolean)]
Count = Annotated[int, checked(lambda name, value: checks.integer(name, value, 1))]
Positive = Annotated[float, checked(lambda name, value: checks.real(name, value, above=0.0))]
NotNegative = Annotated[float, checked(lambda name, value: checks.real(name, value, minimum=0.0))]


def optional(kind: Callable[[str, Any], Any]) -> BeforeValidator:
    """Make a check that lets None pass."""
    return checked(lambda name, value: None if value is None else kind(name, value))
