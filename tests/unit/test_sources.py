from __future__ import annotations

import gzip
import io
import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quarterlake.domain.errors import UnreadableFileError
from quarterlake.processing.sources import Format, plain_source

if TYPE_CHECKING:
    from pathlib import Path


def plain(folder: Path, data: bytes) -> tuple[Format, str, str, bytes]:
    """The format, compression and encoding of a file, and its plain bytes."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    raw = folder / "raw"
    raw.write_bytes(data)
    with plain_source("sales.csv", raw, scratch, dataset="sales") as source:
        found = source.format, source.compression, source.encoding.label, source.path.read_bytes()
    assert list(scratch.iterdir()) == []
    assert raw.read_bytes() == data
    return found


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (b"a,b\n1,2\n", Format.DELIMITED),
        (b'  [ {"a": 1}]', Format.JSON_ARRAY),
        (b"[]", Format.JSON_ARRAY),
        (b'{"a": 1}\n', Format.NDJSON),
        (b'\xef\xbb\xbf{"a": 1}\n', Format.NDJSON),
        (b'\n\n{"a": 1}\n', Format.NDJSON),
        (b"{}\n", Format.NDJSON),
        (b"[name],[value]\n1,2\n", Format.DELIMITED),
        (b"{name},b\n1,2\n", Format.DELIMITED),
        (b'oops!\n{"a": 1}\n{"a": 2}', Format.NDJSON),
        (b'payload\n{"a": 1}\n{"a": 2}', Format.DELIMITED),
        (b'oops\n{"a": 1}\n', Format.DELIMITED),
        (b'oops\n{"a": 1}\n{"a": 2}\n1\n', Format.DELIMITED),
        (b"oops\n{a}\n{b}\n", Format.DELIMITED),
        (b'id,b\n1,"{""a"": 1}"\n2,"{""a"": 2}"\n', Format.DELIMITED),
        (b'b\n"{""a"": 1}"\n"{""a"": 2}"\n', Format.DELIMITED),
        (b'b;id\n{"a": 1};1\n{"a": 2};2\n', Format.DELIMITED),
        (b'b\tc\n{"a": 1}\t{"a": 1}\n{"a": 2}\t{}\n', Format.DELIMITED),
        (parquet(), Format.PARQUET),
    ],
)
def test_the_content_says_what_a_file_is(tmp_path: Path, data: bytes, form: Format) -> None:
    same = b"   " + data[3:] if data.startswith(b"\xef\xbb\xbf") else data
    assert plain(tmp_path, data) == (form, "none", "utf-8", same)


@pytest.mark.parametrize(
    ("packed", "compression"),
    [
        (gzip.compress(b"a,b\n1,2\n"), "gzip"),
        (gzip.compress(b"a,b\n") + gzip.compress(b"1,2\n"), "gzip"),
        (zstd(b"a,b\n1,2\n"), "zstd"),
        (zstd(b"a,b\n") + zstd(b"1,2\n"), "zstd"),
    ],
)
def test_compressed_files_are_unpacked_whole(tmp_path: Path, packed: bytes, compression: str) -> None:
    assert plain(tmp_path, packed) == (Format.DELIMITED, compression, "utf-8", b"a,b\n1,2\n")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le"])
def test_utf_16_becomes_utf_8(tmp_path: Path, encoding: str) -> None:
    mark = {"utf-16-be": b"\xfe\xff", "utf-16-le": b"\xff\xfe"}.get(encoding, b"")
    data = mark + "é,😀\r\n1,2\r\n".encode(encoding)
    assert plain(tmp_path, data) == (Format.DELIMITED, "none", "utf-16", "é,😀\r\n1,2\r\n".encode())
    assert plain(tmp_path, gzip.compress(data))[3] == "é,😀\r\n1,2\r\n".encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b" \n\t\r\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (gzip.compress(b""), "is empty"),
        (zstd(b""), "is empty"),
        (gzip.compress(b"a,b\n" * 999)[:-9], "is broken gzip"),
        (gzip.compress(b"a,b\n")[:5], "is broken gzip"),
        (gzip.compress(b"a,b\n") + b"more", "is broken gzip"),
        (zstd(b"a,b\n" * 999)[:-1], "is broken zstd"),
        (zstd(b"a,b\n")[:6], "is broken zstd"),
        (zstd(b"a,b\n") + b"more", "is broken zstd"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00", "is binary"),
        (gzip.compress(gzip.compress(b"a,b\n")), "is binary"),
        (bytes(range(250, 0, -1)), "is binary, no table that quarterlake reads"),
        (gzip.compress(bytes(range(1, 256))), "is binary, no table that quarterlake reads"),
        (b"PK\x03\x04some document", "is a ZIP archive, as xlsx, docx and OpenDocument files are, no table"),
        (gzip.compress(b"%PDF-1.7\n1 0 obj\n"), "is a PDF document, no table"),
        (parquet()[:-1], "no footer"),
        (b"PAR1", "no footer"),
        ("a,b\n".encode("utf-16") + b"\x00", "begins like UTF-16"),
    ],
)
def test_what_is_no_data_is_refused_by_name(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(UnreadableFileError, match=rf"^sales\.csv .*{re.escape(said.split(' ', 1)[-1])}"):
        plain(tmp_path, data)
    assert list((tmp_path / "scratch").iterdir()) == []


PAGE = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<hr></body>\r\n</html>\r\n"
XML = '<?xml version="1.0" encoding="UTF-8"?>\n<sales>\n  <sale id="1"/>\n</sales>\n'


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (PAGE, "an HTML page"),
        (PAGE[:-30], "an HTML page"),
        ("<html>Bad Gateway, try later</html>\n", "an HTML page"),
        ("\n <!-- saved --> <!doctype html><p>a,b", "an HTML page"),
        ('<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN">\n<title>a</title>', "an HTML page"),
        ("<HTML lang='a>b'>\n\t<BODY>x", "an HTML page"),
        (XML, "an XML document"),
        (XML[:-20], "an XML document"),
        ("<?xml version='1.0'?>", "an XML document"),
        (
            "<?xml version='1.0'?>\n<!-- a --><?xml-stylesheet href='a'?>\n<a>1</a>\n<!-- b -->\n",
            "an XML document",
        ),
        ("<!DOCTYPE sales [<!ENTITY a 'b'>]>\n<sales/>", "an XML document"),
        ("<sales>\n<sale a='1,2'/>\n</sales>\n<!-- end -->\n", "an HTML or XML document"),
        ("<table border=1><tr><td><table></table></td></tr></TABLE>", "an HTML or XML document"),
        ("<a>" + "<b>1,2</b>\n" * 20_000 + "</a>\n", "an HTML or XML document"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_html_and_xml_are_no_tables(tmp_path: Path, data: str, said: str, encoding: str) -> None:
    for sent in (data.encode(encoding), gzip.compress(data.encode(encoding))):
        with pytest.raises(UnreadableFileError, match=rf"^sales\.csv is {said}, no table that quarterlake"):
            plain(tmp_path, sent)


@pytest.mark.parametrize(
    "data",
    [
        b"<id>,<name>\n1,x\n",
        b"<html>,<body>\n1,x\n",
        b"<html>\t<body>\n1\tx\n",
        b"<html>\n1\n",
        b"<5,3\n<6,4\n",
        b"a\n<5\n",
        b"<b>x</b>,<b>y</b>\n<b>z</b>,<b>w</b>\n",
        b"<b>x</b>\n<b>y</b>\n",
        b"<br/>,1\n<br/>,2\n",
        b"<p>one\n<p>two\n",
        b"<?xml version='1.0'?><a/>\t5\n<?xml version='1.0'?><a/>\t6\n",
        b"<?xml>,b\n1,2\n",
        b"<doctype>,b\n1,2\n",
        b"<@mail>,b\n1,2\n",
        b"<a>" + b"1,2\n" * 20_000,
    ],
)
def test_a_table_may_begin_like_html(tmp_path: Path, data: bytes) -> None:
    assert plain(tmp_path, data) == (Format.DELIMITED, "none", "utf-8", data)


@pytest.mark.parametrize(
    "data", [b"PK,name\n1,x\n", b"a\x01b\x02\n1\x012\x02\n", b"a,b\n1,\x03\x04\x05\x06\n"]
)
def test_a_text_with_controls_is_a_text(tmp_path: Path, data: bytes) -> None:
    assert plain(tmp_path, data)[3] == data


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text("ab,\r\né", min_size=1).filter(str.strip), cut=st.integers(1, 60))
def test_a_cut_off_file_is_never_taken_for_a_whole_one(tmp_path: Path, text: str, cut: int) -> None:
    for packed in (gzip.compress(text.encode()), zstd(text.encode())):
        assert plain(tmp_path, packed)[3] == text.encode()
        if cut <= len(packed) - 4:
            with pytest.raises(UnreadableFileError, match=r"^sales\.csv"):
                plain(tmp_path, packed[:-cut])


def test_a_file_larger_than_a_chunk_is_unpacked(tmp_path: Path) -> None:
    data = b"a,b\n" + b"1,2\n" * 1_000_000
    assert plain(tmp_path, gzip.compress(data, 1))[3] == data
    assert plain(tmp_path, zstd(data))[3] == data
