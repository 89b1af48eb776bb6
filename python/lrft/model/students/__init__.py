"""The students: what is trained, from where, at which rates; one file each.

`STUDENTS` is their one list: the command line, studies, states and files all read it.
"""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import Field

from lrft.base import checks
from lrft.base.fields import checked
from lrft.model.students.full import FullNetwork
from lrft.model.students.lora import LoRA
from lrft.model.students.rank_one import RankOne
from lrft.model.students.student import StudentModel, is_named

__all__ = ["STUDENTS", "FullNetwork", "LoRA", "RankOne", "Student", "StudentModel", "is_named"]

_Any = RankOne | LoRA | FullNetwork

#: Every student by its kind.
STUDENTS: dict[str, type[StudentModel]] = {
    model.model_fields["kind"].default: model for model in get_args(_Any)
}


def _student(name: str, value: Any) -> Any:
    if isinstance(value, StudentModel | dict):
        return value
    names = [model.__name__ for model in STUDENTS.values()]
    raise TypeError(
        f"{name} must be {', '.join(names[:-1])} or {names[-1]}, got {checks.describe(value)}"
    )


Student = Annotated[_Any, Field(discriminator="kind"), checked(_student)]
