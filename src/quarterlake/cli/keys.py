"""The verbs on API keys of the delivery API."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quarterlake.cli.context import DebugOption, JsonOption, LakeOption, print_json, settings_of

if TYPE_CHECKING:
    from quarterlake.delivery.keystore import KeyStore
    from quarterlake.domain.api_keys import ApiKey
    from quarterlake.settings import DeliveryOptions

_ADDRESS = "http://127.0.0.1:8080"
keys_app = typer.Typer(
    help="API keys of the delivery API: make, list and revoke them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@keys_app.command()
def create(
    name: Annotated[
        str, typer.Option("--name", help="Whose key it is, such as forecasting.", show_default=False)
    ],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            help="What it opens: a data set or a pattern, read unless :admin follows, such as sales_* or *:admin; "
            "may be given more than once. Default: every data set, read.",
            show_default=False,
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires",
            help="Until when: a day such as 2027-06-30, or 90d. Default: for ever.",
            show_default=False,
        ),
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option(
            "--profile",
            help="Write a profile file of Delta Sharing here, where no file is yet; - prints it instead of the key.",
            show_default=False,
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            "--url",
            help=f"The API's address in the profile. Default QUARTERLAKE_DELIVERY_URL, else {_ADDRESS}.",
            show_default=False,
        ),
    ] = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make a key and print it: its text is kept nowhere, so it cannot be shown again."""
    from contextlib import nullcontext

    from quarterlake.delivery.keyring import create_key
    from quarterlake.delivery.profile_file import profile_of, profile_written_to
    from quarterlake.domain.api_keys import READ_ALL, Scope

    now = datetime.now(UTC)
    scopes = tuple(map(Scope.parse, scope or ())) or (READ_ALL,)
    until = None if expires is None else _instant(expires, now)
    store, options = _opened(lake)
    is_printed = profile == Path("-")
    with nullcontext() if profile is None or is_printed else profile_written_to(profile) as write:
        text, key = create_key(store, name, scopes, now, until)
        made = profile_of(url or options.url or _ADDRESS, text, until)
        if write is not None:
            write(made)
    store.close()
    if is_printed:
        print_json(made)
        return
    if as_json:
        print_json({"key": text, **_document(key, now)})
        return
    print(text)


@keys_app.command(name="list")
def list_keys(lake: LakeOption = None, as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the keys, oldest first; never their text."""
    now = datetime.now(UTC)
    store, _ = _opened(lake)
    documents = [_document(key, now) for key in store.all()]
    store.close()
    if as_json:
        print_json({"keys": documents})
        return
    if not documents:
        print("There is no key yet. `quarterlake keys create --name NAME` makes one.")
    for key in documents:
        end = f", until {key['expires_at']}" if key["expires_at"] else ""
        print(
            f"{key['id']}  {key['state']}  {key['name']}: {' '.join(key['scopes'])}  (made {key['created_at']}{end})"
        )


@keys_app.command()
def revoke(
    key_id: Annotated[
        str, typer.Argument(metavar="ID", help="The key's id: `ql_<id>_…`.", show_default=False)
    ],
    lake: LakeOption = None,
    debug: DebugOption = False,
) -> None:
    """Let a key open nothing any more; running servers know within a second."""
    from quarterlake.delivery.keyring import revoke_key

    store, _ = _opened(lake)
    key = revoke_key(store, key_id, datetime.now(UTC))
    store.close()
    print(f"{key.id} ({key.name}) is revoked")


def _opened(lake: str | None) -> tuple[KeyStore, DeliveryOptions]:
    from quarterlake.delivery.keystore import open_keystore
    from quarterlake.lake.location import check_there

    settings = settings_of(lake, None, None)
    if settings.keys_lie_in_the_lake:
        check_there(settings.lake)
    return open_keystore(settings.delivery.database), settings.delivery


def _instant(text: str, now: datetime) -> datetime:
    from quarterlake.domain.errors import UsageError

    if days := re.fullmatch(r"([1-9][0-9]{0,4})d", text):
        return now + timedelta(days=int(days[1]))
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"--expires {text} is no day; give one such as 2027-06-30 (from its midnight, UTC, the key opens nothing), or 90d."
        ) from None


def _document(key: ApiKey, now: datetime) -> dict[str, Any]:
    state = "live" if key.is_live(now) else "revoked" if key.revoked_at else "expired"
    return {
        "id": key.id,
        "name": key.name,
        "state": state,
        "scopes": [str(scope) for scope in key.scopes],
        "created_at": _text(key.created_at),
        "expires_at": _text(key.expires_at),
        "revoked_at": _text(key.revoked_at),
    }


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat(timespec="seconds")
