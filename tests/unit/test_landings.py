from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from quarterlake.domain.landings import Landing, Manifest, resolve


def manifest(sequence: int, source: str, sha256: str) -> Manifest:
    return Manifest(
        dataset="orders",
        sequence=sequence,
        source=source,
        key=f"orders/2026-07/{sha256}-{source}",
        sha256=sha256,
        size=10,
        landed_at="2026-07-01T00:00:00Z",
    )


def landed(*files: tuple[str, str]) -> list[Manifest]:
    """Manifests of (path, bytes) in the order of landing."""
    return [manifest(sequence, source, sha256) for sequence, (source, sha256) in enumerate(files, 1)]


def live(landings: tuple[Landing, ...]) -> list[tuple[str, str]]:
    return [(landing.manifest.source, landing.manifest.sha256) for landing in landings if landing.is_live]


HISTORIES = st.lists(st.tuples(st.sampled_from("pqrs"), st.sampled_from("ABC")), max_size=10).map(
    lambda files: landed(*files)
)


def test_nothing_landed() -> None:
    assert resolve([]) == ()


def test_the_newest_landing_of_a_path_wins() -> None:
    landings = resolve(landed(("p", "A"), ("q", "C"), ("p", "B"), ("p", "D")))
    assert live(landings) == [("q", "C"), ("p", "D")]
    assert [landing.replaced_by for landing in landings] == [4, None, 4, None]


def test_equal_bytes_under_two_names_count_once() -> None:
    landings = resolve(landed(("p", "A"), ("q", "A")))
    assert live(landings) == [("p", "A")]
    assert landings[1].duplicate_of == "p"


def test_a_correction_can_be_taken_back() -> None:
    landings = resolve(landed(("p", "A"), ("p", "B"), ("p", "A")))
    assert live(landings) == [("p", "A")]
    assert [landing.is_live for landing in landings] == [False, False, True]


def test_a_duplicate_counts_once_its_original_is_corrected() -> None:
    landings = resolve(landed(("p", "A"), ("q", "A"), ("p", "B")))
    assert live(landings) == [("q", "A"), ("p", "B")]


def test_a_path_corrected_to_the_bytes_of_another_is_its_duplicate() -> None:
    landings = resolve(landed(("p", "A"), ("q", "A"), ("p", "B"), ("p", "A")))
    assert live(landings) == [("q", "A")]
    assert landings[3].duplicate_of == "q"


@given(HISTORIES.flatmap(lambda history: st.tuples(st.just(history), st.permutations(history))))
def test_the_order_of_reading_does_not_matter(histories: tuple[list[Manifest], list[Manifest]]) -> None:
    history, shuffled = histories
    assert resolve(shuffled) == resolve(history)


@given(HISTORIES)
def test_every_landing_is_told_of_in_order(history: list[Manifest]) -> None:
    assert [landing.manifest for landing in resolve(history)] == history


@given(HISTORIES)
def test_the_live_bytes_are_those_of_the_newest_of_each_path_and_each_once(history: list[Manifest]) -> None:
    landings = resolve(history)
    newest = {m.source: m.sha256 for m in history}
    assert Counter(sha256 for _, sha256 in live(landings)) == Counter(set(newest.values()))
    assert all(newest[source] == sha256 for source, sha256 in live(landings))


@given(HISTORIES)
def test_what_is_not_live_points_at_what_is_in_its_stead(history: list[Manifest]) -> None:
    landings = resolve(history)
    by_sequence = {landing.manifest.sequence: landing for landing in landings}
    live_paths = {landing.manifest.source: landing for landing in landings if landing.is_live}
    for landing in landings:
        if landing.replaced_by is not None:
            successor = by_sequence[landing.replaced_by]
            assert successor.manifest.source == landing.manifest.source
            assert successor.manifest.sequence > landing.manifest.sequence
            assert successor.replaced_by is None
        if landing.duplicate_of is not None:
            assert live_paths[landing.duplicate_of].manifest.sha256 == landing.manifest.sha256
