"""What a caller asks a service for."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from quarterlake.domain.errors import UsageError
from quarterlake.domain.periods import Period
from quarterlake.domain.releases import checked_dataset_name


class Stage(StrEnum):
    """The stages. Each does those before it too, as far as they are not done: every step is memoised."""

    INGEST = "ingest"
    CURATE = "curate"
    PROCESS = "process"
    VALIDATE = "validate"
    PUBLISH = "publish"


def _period(text: str) -> str:
    try:
        return Period.parse(text).name
    except UsageError as wrong:
        raise ValueError(str(wrong)) from wrong


def _dataset(text: str) -> str:
    try:
        return checked_dataset_name(text)
    except UsageError as wrong:
        raise ValueError(str(wrong)) from wrong


LONGEST_WAIT = 3600
"""Seconds."""


class RunRequest(BaseModel):
    """One run of one stage."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"stage": "publish", "dataset": "flights", "period": "2013-Q1"}]},
    )

    stage: Stage
    dataset: Annotated[str, Field(max_length=100), AfterValidator(_dataset)] | None = Field(
        None, description="Only this data set; all of them otherwise."
    )
    period: Annotated[str, Field(max_length=10), AfterValidator(_period)] | None = Field(
        None, description="This period, such as 2013-Q1, instead of every complete one."
    )
    allow_incomplete: bool = Field(default=False, description="Publish a period that still lacks months.")
    wait: int = Field(
        0, ge=0, le=LONGEST_WAIT, description="Seconds to wait while another run holds the data set."
    )
    caller: str | None = Field(
        None,
        max_length=300,
        pattern=r"^[\x21-\x7e]+$",
        description="The caller's own name of this run, such as Airflow's ids. It is kept with the build and the release.",
    )

    @model_validator(mode="after")
    def _asks_for_what_there_is(self) -> Self:
        if self.stage is Stage.INGEST and self.dataset:
            raise ValueError("ingest lands all that is new, of every data set; leave out dataset")
        if self.stage in {Stage.INGEST, Stage.CURATE} and self.period:
            raise ValueError(f"{self.stage} looks at all periods; leave out period")
        return self
