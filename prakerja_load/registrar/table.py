"""Every address of the registrar, in the order of the journey."""

from __future__ import annotations

from prakerja_load.registrar import admin_page, endpoints, lab, messages, queueing, service
from prakerja_load.registrar.pending import KEPT
from prakerja_load.registrar.reply import NDJSON
from prakerja_load.registrar.routes import LARGEST_PHOTO, Endpoint, Route

_CODE_PROBLEMS = ("wrong-code", "code-expired", "too-many-attempts")
_IDENTITY_PROBLEMS = (
    "nik-in-use",
    "identity-already-checked",
    "family-card-full",
    "under-age",
    "nik-unknown",
    "nik-not-synthetic",
    "civil-mismatch",
    "civil-registry-away",
)


def _read(step: str, path: str, endpoint: Endpoint, reply: object, summary: str, *, needs_token: bool = False) -> Route:
    return Route(step, "GET", path, endpoint, summary=summary, success={200: reply}, needs_token=needs_token)


def _write(
    step: str,
    address: str,
    endpoint: Endpoint,
    summary: str,
    *problems: str,
    body: object,
    success: tuple[int, object],
    needs_token: bool = True,
) -> Route:
    """Return a keyed step of the journey."""
    method, path = address.split()
    return Route(
        step,
        method,
        f"/api/v1/{path}",
        endpoint,
        summary=summary,
        body=body,
        success=dict([success]),
        problems=problems,
        needs_token=needs_token,
        needs_key=True,
    )


def _account() -> list[Route]:
    return [
        _read("wave-page", "/api/v1/waves/current", endpoints.wave_page, messages.WavePage, "The current wave"),
        _write(
            "create-account",
            "POST accounts",
            endpoints.create_account,
            "Make an account",
            "email-in-use",
            "not-called",
            body=messages.NewAccount,
            success=(201, messages.AccountCreated),
            needs_token=False,
        ),
        _write(
            "confirm-email",
            "POST email-confirmations",
            endpoints.confirm_email,
            "Confirm the e-mail address",
            "email-already-confirmed",
            *_CODE_PROBLEMS,
            body=messages.EmailConfirmation,
            success=(200, messages.EmailConfirmed),
            needs_token=False,
        ),
        Route(
            "log-in",
            "POST",
            "/api/v1/sessions",
            endpoints.log_in,
            summary="Log in",
            body=messages.Credentials,
            success={201: messages.Opened},
            problems=["wrong-credentials", "email-unconfirmed"],
        ),
    ]


def _person() -> list[Route]:
    return [
        Route(
            "identity",
            "POST",
            "/api/v1/identity",
            endpoints.check_identity,
            summary="Check the identity against the civil registry, or keep it until that answers",
            body=messages.Identity,
            success={201: messages.IdentityChecked, KEPT: messages.IdentityPending},
            problems=_IDENTITY_PROBLEMS,
            needs_token=True,
            needs_key=True,
        ),
        _write(
            "personal-data",
            "PUT profile",
            endpoints.personal_data,
            "Keep the personal data",
            body=messages.PersonalData,
            success=(200, messages.AccountReply),
        ),
        _photo("ktp-photo", "ktp"),
        _photo("selfie", "selfie"),
        _write(
            "phone-code",
            "POST phone-codes",
            endpoints.phone_code,
            "Send a code to a phone number",
            "phone-in-use",
            "phone-already-confirmed",
            body=messages.PhoneCode,
            success=(202, messages.CodeSent),
        ),
        _write(
            "confirm-phone",
            "POST phone-confirmations",
            endpoints.confirm_phone,
            "Confirm the phone number",
            "phone-in-use",
            "phone-already-confirmed",
            *_CODE_PROBLEMS,
            body=messages.PhoneConfirmation,
            success=(200, messages.PhoneConfirmed),
        ),
    ]


def _photo(step: str, name: str) -> Route:
    return Route(
        step,
        "PUT",
        f"/api/v1/photos/{name}",
        endpoints.photo,
        summary=f"Keep the photograph: {name}",
        content_type=b"image/jpeg",
        body_limit=LARGEST_PHOTO,
        success={201: messages.PhotoStored},
        problems=["invalid-body"],
        needs_token=True,
        needs_key=True,
    )


def _test_and_wave() -> list[Route]:
    paper, status = messages.TestPaper, messages.Status
    return [
        _read("test-questions", "/api/v1/test", endpoints.paper, paper, "The test", needs_token=True),
        _write(
            "submit-test",
            "POST test-answers",
            endpoints.submit_test,
            "Submit the test",
            "test-already-submitted",
            body=messages.TestAnswers,
            success=(201, messages.TestScored),
        ),
        _write(
            "join-wave",
            "POST waves/{wave}/joins",
            endpoints.join_wave,
            "Join a wave",
            "wave-closed",
            "incomplete",
            "already-joined",
            "quota-full",
            "civil-registry-away",
            body=messages.JoinDeclaration,
            success=(201, messages.Joined),
        ),
        _read("read-status", "/api/v1/status", endpoints.read_status, status, "How far I have come", needs_token=True),
    ]


def _service() -> list[Route]:
    return [
        _read("health", "/healthz", service.health, messages.Health, "That the server is well, and its settings"),
        _read("metrics", "/metrics", service.metrics, str, "OpenMetrics text"),
        _read("openapi", "/openapi.json", service.description, dict, "This document"),
        Route(
            "consent",
            "GET",
            "/.well-known/prakerja-load.json",
            service.consent,
            summary="Who may put this server under load, and how much",
            success={200: dict},
            problems=["not-found"],
        ),
    ]


def _lab(
    step: str, address: str, endpoint: Endpoint, summary: str, *problems: str, success: tuple[int, object], body: object
) -> Route:
    method, path = address.split()
    return Route(
        step,
        method,
        f"/lab/{path}",
        endpoint,
        summary=summary,
        body=body,
        success=dict([success]),
        problems=problems,
        is_lab=True,
    )


def _lines(step: str, path: str, endpoint: Endpoint, summary: str, *problems: str, reply: object) -> Route:
    return Route(
        step,
        "POST",
        path,
        endpoint,
        summary=summary,
        content_type=NDJSON,
        is_unbounded=True,
        success={200: reply},
        problems=["invalid-body", *problems],
        is_lab=True,
    )


def _laboratory() -> list[Route]:
    exported = "What journeys wrote after a position, as NDJSON"
    return [
        Route(
            "admin-page",
            "GET",
            "/lab/",
            admin_page.admin_page,
            summary="The wave, the store and the defects at a glance, for a browser",
            success={200: str},
            problems=["not-found", "unauthenticated"],
        ),
        _lab(
            "read-outbox",
            "GET outbox",
            lab.outbox,
            "The newest code sent to a recipient",
            "nothing-sent",
            "malformed-query",
            success=(200, lab.SentCode),
            body=None,
        ),
        _lab(
            "position",
            "GET position",
            lab.position,
            "A mark of now for an export",
            success=(200, lab.Position),
            body=None,
        ),
        _lab("export", "GET export", lab.export, exported, "malformed-query", success=(200, str), body=None),
        _lab(
            "open-wave",
            "POST waves",
            lab.open_wave,
            "Open a new current wave",
            success=(201, lab.WaveOpened),
            body=lab.NewWave,
        ),
        _lab(
            "inject-defects",
            "POST defects",
            lab.inject_defects,
            "Replace the active defects",
            success=(200, lab.DefectsActive),
            body=lab.DefectList,
        ),
        _lines("fill-civil-registry", "/lab/civil", lab.fill_civil_registry, "Add people, as NDJSON", reply=lab.Known),
        _lines(
            "import",
            "/lab/import",
            lab.import_applicants,
            "Store complete registrants, as NDJSON",
            "nik-not-synthetic",
            "import-conflict",
            reply=lab.Imported,
        ),
    ]


def _waiting_room() -> list[Route]:
    return [
        Route(
            "take-ticket",
            "POST",
            "/api/v1/waiting-room/tickets",
            queueing.take_ticket,
            summary="Take a number in the waiting room, where there is one",
            success={201: messages.Turn},
            problems=["not-found"],
        ),
        Route(
            "read-turn",
            "GET",
            "/api/v1/waiting-room/turn",
            queueing.read_turn,
            summary="How many are before the ticket; who does not ask for a minute has given up",
            success={200: messages.Turn},
            problems=["not-found", "ticket-unknown"],
        ),
    ]


def _numbered(routes: list[Route]) -> tuple[Route, ...]:
    for number, route in enumerate(routes, 1):
        route.operation = number
    return tuple(routes)


# What is new stands at the end: the numbers are stored with the kept answers.
ROUTES: tuple[Route, ...] = _numbered(
    [*_account(), *_person(), *_test_and_wave(), *_service(), *_laboratory(), *_waiting_room()]
)
