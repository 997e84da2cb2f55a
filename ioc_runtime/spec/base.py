"""What all models of a manifest share: strict, closed, frozen, camelCase outside.

The models are the one source of the custom resource definitions and of the field
reference, so each field has a bound, a default and a description, and no field is a
union of a word and an object (an API server cannot hold such a schema). A value that
may be of any type is `Any`: the compiler checks it against its signal.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """A closed set of fields; unknown ones are an error."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        allow_inf_nan=False,
        protected_namespaces=(),
    )


NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
OBJECT_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
PV_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_:;+\[\]<>{}/-]*$"
TAG_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
VOTE_PATTERN = r"^[1-9][0-9]?oo[1-9][0-9]?$"
SIZE_PATTERN = r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$"

PATTERNS = {
    NAME_PATTERN: "a name of letters, digits and _, not starting with a digit",
    LABEL_PATTERN: "lower-case letters, digits and -, with a letter or digit at both ends",
    OBJECT_PATTERN: "a Kubernetes name: lower-case letters, digits, - and .",
    PV_PATTERN: "the characters of a PV name: letters, digits and _ : ; + - [ ] < > { } /",
    TAG_PATTERN: "a word of letters, digits and _ . -",
    VOTE_PATTERN: "a vote such as 2oo3",
    SIZE_PATTERN: "a size such as 100Mi",
}
"""What each pattern asks for, in words."""

Name = Annotated[str, Field(max_length=60, pattern=NAME_PATTERN)]
ObjectName = Annotated[str, Field(max_length=253, pattern=OBJECT_PATTERN)]
Word = Annotated[str, Field(min_length=1, max_length=253)]
Line = Annotated[str, Field(max_length=1024)]
Source = Annotated[str, Field(max_length=1024)]
"""An expression."""
Link = Annotated[str, Field(min_length=1, max_length=256)]
Seconds = Annotated[float, Field(ge=0, le=31_536_000)]
"""A duration: at most a year."""
Label = Annotated[str, Field(max_length=317)]
"""Key of a label or an annotation: a domain, a slash and a name."""
AnyMap = dict[str, Any]
Entry = Annotated[AnyMap, Field(max_length=20)]
"""A map in a list that Kubernetes has a schema for."""
