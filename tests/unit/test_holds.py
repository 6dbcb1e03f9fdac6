"""Who holds which data set while runs are at work."""

from __future__ import annotations

import asyncio

import pytest

from quarterlake.service.holds import Holder, Holds


def holder(run: str, dataset: str | None) -> Holder:
    return Holder(run, "process", dataset, "2026-05-03T09:00:00+00:00")


@pytest.mark.parametrize(
    ("first", "second", "excluded"),
    [
        ("sales", "sales", True),
        ("sales", "orders", False),
        (None, "sales", True),
        ("sales", None, True),
        (None, None, True),
    ],
)
def test_runs_of_one_data_set_and_of_all_exclude_each_other(
    first: str | None, second: str | None, *, excluded: bool
) -> None:
    async def both() -> Holder | None:
        holds = Holds()
        async with holds.hold(holder("1", first), 0), holds.hold(holder("2", second), 0) as other:
            return other

    other = asyncio.run(both())
    assert (None if other is None else other.run) == ("1" if excluded else None)


def test_one_that_waits_holds_as_soon_as_the_first_is_done_and_leaves_nothing_behind() -> None:
    async def play() -> list[str]:
        holds, told = Holds(), []
        begun, done = asyncio.Event(), asyncio.Event()

        async def first() -> None:
            async with holds.hold(holder("1", "sales"), 0):
                begun.set()
                await done.wait()
                told.append("1")

        async def waiting(run: str) -> None:
            async with holds.hold(holder(run, "sales"), 60) as other:
                assert other is None
                assert len(holds._holders) == 1  # noqa: SLF001 - two at once is what must not be
                await asyncio.sleep(0)
                told.append(run)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(first())
            await begun.wait()
            gone, *_ = [tasks.create_task(waiting(run)) for run in ("2", "3", "4")]
            await asyncio.sleep(0)
            gone.cancel()
            done.set()
        assert holds.holder_of(None) is None
        return told

    assert asyncio.run(play()) == ["1", "3", "4"]


def test_a_run_that_fails_lets_go() -> None:
    async def play() -> Holder | None:
        holds = Holds()
        with pytest.raises(ValueError, match="bad"):
            async with holds.hold(holder("1", "sales"), 0):
                raise ValueError("bad")
        return holds.holder_of("sales")

    assert asyncio.run(play()) is None
