from __future__ import annotations

import io
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from quarterlake.processing import careful_count, cutting
from quarterlake.processing.careful_count import count_carefully
from quarterlake.processing.cut_patterns import Cutting
from quarterlake.processing.cutting import STRAY, TOO_LONG, Cut, Run, cut, cut_in_runs, fields

COMMA = Cutting(b",")
FORMS = [
    COMMA,
    Cutting(b",", lone_cr=True),
    Cutting(b";", b"'", b"'"),
    Cutting(b",", b'"', b"\\"),
    Cutting(b" ", b'"', b'"'),
    Cutting(b"\t", b"", b""),
]


def cuts(data: bytes, form: Cutting = COMMA, longest: int = cutting.LONGEST) -> list[Cut]:
    return list(cut(io.BytesIO(data), form, longest=longest))


def count(data: bytes, form: Cutting = COMMA, longest: int = cutting.LONGEST) -> int:
    return count_carefully(io.BytesIO(data), form, 0, longest=longest, blank=True)


@pytest.mark.parametrize(
    ("data", "raws"),
    [
        (b"1,x\n2,y", [b"1,x", b"2,y"]),
        (b'1,"x\ny"\n2,y\n', [b'1,"x\ny"', b"2,y"]),
        (b'1,"x\n2,y\n3,z\n', [b'1,"x', b"2,y", b"3,z"]),
        (b'1,"x" y\n2,y\n', [b'1,"x" y', b"2,y"]),
        (b'1,"x"y\n2,"p\nq"\n', [b'1,"x"y', b'2,"p\nq"']),
        (b'"a\nb",c"d,"e\n1,2\n', [b'"a\nb",c"d,"e', b"1,2"]),
        (b'1,a"b\n2, "p\nq" \n', [b'1,a"b', b'2, "p\nq" ']),
        (b"1,x\r\n\r\n2,y\r\n", [b"1,x", b"", b"2,y"]),
    ],
)
def test_only_the_line_of_a_stray_quote_is_spoilt(data: bytes, raws: list[bytes]) -> None:
    found = cuts(data)
    assert [one.raw for one in found] == raws
    assert all(data[one.start :].startswith(one.raw) for one in found)


def test_what_is_wrong_is_said() -> None:
    found = cuts(b'1,"x" y\n2,"\n3,z\n' + b"4" * 60 + b"\n5,w\n", longest=50)
    assert [one.problem for one in found] == [STRAY, STRAY, None, TOO_LONG, None]
    assert [one.line for one in found] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("raw", "form", "expected"),
    [
        (b'1,"a ""b""",', COMMA, [b"1", b'a "b"', b""]),
        (b'"a \\"b\\" \\\\ \\n",2', Cutting(b",", b'"', b"\\"), [b'a "b" \\ \\n', b"2"]),
        (b"'it''s';x", Cutting(b";", b"'", b"'"), [b"it's", b"x"]),
        (b'"a b" c "" d', Cutting(b" "), [b"a b", b"c", b"", b"d"]),
        (b'"a,b",c"d', COMMA, [b"a,b", b'c"d']),
    ],
)
def test_fields_lose_their_quotes(raw: bytes, form: Cutting, expected: list[bytes]) -> None:
    assert [text for text, _ in fields(raw, form)] == expected


PIECES = st.sampled_from(
    [
        b"a",
        b",",
        b";",
        b'"',
        b"'",
        b"\n",
        b"\r",
        b"\r\n",
        b" ",
        b"\t",
        b"\\",
        b'""',
        b',"',
        b' "',
        b'"a\nb"',
        b'"\n',
        b"\xe9",
        b"bcd",
    ]
)


@given(
    st.lists(PIECES, max_size=40).map(b"".join),
    st.sampled_from(FORMS),
    st.sampled_from([3, 7, 20, 2_000_000]),
    st.sampled_from([4, 16, 32 << 10]),
)
@example(b'"a"\r\n,', FORMS[1], 4, 4)
@example(b'0, ""hello"" he,"line 1\nline 2"\n', COMMA, 2_000_000, 32 << 10)
@example(b'"\n"\r""\n', COMMA, 2_000_000, 32 << 10)
@hypothesis_settings(max_examples=300, deadline=None)
def test_what_is_cut_is_what_is_counted(data: bytes, form: Cutting, longest: int, block: int) -> None:
    with mock.patch.object(cutting, "KEPT", 3):
        with mock.patch.object(cutting, "_CHUNK", 5), mock.patch.object(careful_count, "_CHUNK", 4):
            found = cuts(data, form, longest)
            assert count(data, form, longest) == len(found)
        with mock.patch.multiple(careful_count, _BLOCK=block, _SHORTEST_BLOCK=2):
            assert count(data, form, longest) == len(found)
        assert found == cuts(data, form, longest), "the size of what is read at a time does not matter"
    stop = 0
    for one in found:
        assert one.start >= stop
        assert (
            one.line
            == 1 + len(data[: one.start].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")) - 1
        )
        stop = one.start + len(one.raw)
        if one.problem is None:
            assert fields(one.raw, form)
    text = b"".join(one.raw for one in found)
    if all(one.problem != TOO_LONG for one in found):
        gone = bytes(b for b in data if b not in b"\r\n")
        assert bytes(b for b in text if b not in b"\r\n") == gone, "every byte but line ends is in a record"


@given(
    st.lists(PIECES, max_size=40).map(b"".join), st.sampled_from(FORMS), st.sampled_from([7, 20, 2_000_000])
)
@example(b",\ra\n", FORMS[0], 2_000_000)
@hypothesis_settings(max_examples=300, deadline=None)
def test_runs_are_the_same_records(data: bytes, form: Cutting, longest: int) -> None:
    for width, window in ((2, 64 << 10), (3, 64 << 10), (2, 8), (3, 8)):
        found = list[Cut]()
        with mock.patch.object(cutting, "_RUN", window), mock.patch.object(cutting, "_SHORTEST_RUN", 4):
            together = list(cut_in_runs(io.BytesIO(data), form, width, longest=longest))
        for one in together:
            if isinstance(one, Run):
                assert data[one.start :].startswith(one.data)
                assert one.records == len(list(one.cuts()))
                assert one.last() == list(one.cuts())[-1]
                assert all(len(fields(each.raw, form)) == width for each in one.cuts())
            found += one.cuts() if isinstance(one, Run) else [one]
        expected = cuts(data, form, longest)
        assert found == expected
