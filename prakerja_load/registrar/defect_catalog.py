"""The defects that the laboratory can inject, as values: what each is called, what it takes, what is allowed."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta

Every = Annotated[int, Meta(ge=1, le=2**53)]
Share = Annotated[float, Meta(ge=0, le=1)]
Length = Annotated[float, Meta(ge=0, le=3600)]
StoredStep: TypeAlias = Literal[
    "create-account",
    "confirm-email",
    "identity",
    "personal-data",
    "ktp-photo",
    "selfie",
    "confirm-phone",
    "submit-test",
    "join-wave",
]
STORED_STEPS: tuple[str, ...] = get_args(StoredStep)


class Defect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="name"):
    """The root of every defect; the tag is its name."""

    @property
    def title(self) -> str:
        """Return the name it is injected and announced by."""
        return str(self.__struct_config__.tag)

    def __str__(self) -> str:
        fields = [f"{name}={value}" for name, value in msgspec.structs.asdict(self).items() if value is not None]
        return " ".join([self.title, *fields])


class LoseWrite(Defect, frozen=True, tag="lose-write"):
    """Every n-th acknowledged write (of one step) is not stored."""

    every: Every
    step: StoredStep | None = None


class DuplicateWrite(Defect, frozen=True, tag="duplicate-write"):
    """Every n-th new account or join is stored twice."""

    every: Every


class CorruptField(Defect, frozen=True, tag="corrupt-field"):
    """Of every n-th stored write one field is altered."""

    every: Every


class Oversell(Defect, frozen=True, tag="oversell"):
    """A full wave takes `places` more, as one does whose counter loses updates."""

    places: Every


class AcknowledgeEarly(Defect, frozen=True, tag="acknowledge-early"):
    """Every n-th write is acknowledged before it is committed."""

    every: Every


class Stall(Defect, frozen=True, tag="stall"):
    """From `after` seconds from now no request is taken up or answered for `seconds`."""

    after: Length
    seconds: Length


class Silence(Defect, frozen=True, tag="silence"):
    """A share of requests is never answered; their connections stay open."""

    share: Share


class Mute(Defect, frozen=True, tag="mute"):
    """No request is answered."""


class Slow(Defect, frozen=True, tag="slow"):
    """Every request takes longer by a fixed time."""

    seconds: Length


class SlowAbove(Defect, frozen=True, tag="slow-above"):
    """A request takes longer by a fixed time when `rate` others came in the second before it."""

    rate: Annotated[int, Meta(ge=1, le=1_000_000)]
    seconds: Length


class KnownQueue(Defect, frozen=True, tag="known-queue"):
    """Requests are served first come, first served, by `slots` servers with a known service time: M/D/c or M/M/c."""

    slots: Annotated[int, Meta(ge=1, le=100_000)]
    seconds: Length
    service: Literal["fixed", "exponential"] = "fixed"
    seed: Annotated[int, Meta(ge=0, le=2**53)] = 1


class LeakMemory(Defect, frozen=True, tag="leak-memory"):
    """Every request leaves some memory behind, until the defects are replaced."""

    bytes: Annotated[int, Meta(ge=1, le=1024 * 1024)]


class DropConnection(Defect, frozen=True, tag="drop-connection"):
    """A share of connections is closed without an answer, before or after the request has had its effect."""

    share: Share
    moment: Literal["before", "after"] = "after"


class TruncateBody(Defect, frozen=True, tag="truncate-body"):
    """Of a share of answers only the first half of the announced body is sent."""

    share: Share


class Failing(Defect, frozen=True, tag="error"):
    """A share of requests is answered 500."""

    share: Share


class FailingAsSuccess(Defect, frozen=True, tag="error-as-200"):
    """A share of requests has no effect and is answered 200 with the body of an error."""

    share: Share


AnyDefect: TypeAlias = (
    LoseWrite
    | DuplicateWrite
    | CorruptField
    | Oversell
    | AcknowledgeEarly
    | Stall
    | Silence
    | Mute
    | Slow
    | SlowAbove
    | KnownQueue
    | LeakMemory
    | DropConnection
    | TruncateBody
    | Failing
    | FailingAsSuccess
)
KINDS: tuple[type[Defect], ...] = get_args(AnyDefect)
NAMES = tuple(str(kind.__struct_config__.tag) for kind in KINDS)
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")


def explained(complaint: str, body: bytes) -> str:
    """Return a decoder's complaint about a list of defects as: the key, what was given, what is allowed."""
    found = _PATH.search(complaint)
    if found is None:
        return complaint
    path = found[1]
    allowed = complaint[: found.start()].replace("Expected ", "").replace("`", "")
    given = _at(path, msgspec.json.decode(body))
    if path.endswith(".name") and isinstance(given, str):
        allowed = ", ".join(NAMES)
    elif isinstance(given, dict):  # a key is missing, or one is too many
        return f"{path}: {allowed}; allowed: {_keys_of(given.get('name'))}"
    elif allowed.startswith("Invalid enum value"):
        allowed = _values_of(path)
    return f"{path}: got {msgspec.json.encode(given).decode()}, allowed: {allowed}"


def _at(path: str, value: Any) -> Any:
    for part in re.findall(r"[^.\[\]]+", path):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list):
            value = value[int(part)]
    return value


def _keys_of(name: object) -> str:
    for kind in KINDS:
        if kind.__struct_config__.tag == name:
            return ", ".join(("name", *kind.__struct_fields__))
    return f"a name of {', '.join(NAMES)}"


def _values_of(path: str) -> str:
    values = {"step": STORED_STEPS, "service": ("fixed", "exponential"), "moment": ("before", "after")}
    return ", ".join(values.get(path.rpartition(".")[2], ()))
