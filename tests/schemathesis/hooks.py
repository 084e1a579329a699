"""What schemathesis cannot know of this API: real uploads, and what may be refused although the schema allows it."""

import os
import re

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode
from schemathesis.generation.meta import TestPhase
from schemathesis.openapi.checks import RejectedPositiveData

import access
from uploads import Uploads

MODE = access.Mode.of_environment()
UPLOADS = Uploads(MODE.url, MODE.opener, MODE.seed)

# Fields with rules that the schema cannot say, so that a 400 for them is no contradiction of it.
BEYOND_SCHEMA = {
    "filename": "bytes, not characters, are counted; no control characters, no path",
    "key": "the same, and the segments between slashes",
    "content_type": "a media type",
    "metadata": "bytes in all; names become headers",
    "checksum": "its length follows from the upload's algorithm",
    "size": "must not differ from what init declared",
    "sha256": "must not differ from what was proven",
    "sign": "its numbers are checked against the upload's parts",
    "parts": "likewise",
    "stored": "likewise",
    "path.number": "likewise",
    "header.Content-Length": "the length of the part",
    "header.Idempotency-Key": "new for every upload",
}
BEYOND_SCHEMA_NAMES = re.compile(rf"({'|'.join(map(re.escape, BEYOND_SCHEMA))})(\W|$)")


@schemathesis.hook
def before_call(context, case, kwargs):
    """Puts a real upload where an id of chance would stand, and shows who calls."""
    upload = UPLOADS.current()
    if "id" in (case.path_parameters or {}) and is_valid(case, ParameterLocation.PATH):
        # What a scenario opened itself, it goes on with; elsewhere schemathesis prefers uploads that are over.
        is_scenario = case.meta.phase.name == TestPhase.STATEFUL
        own = UPLOADS.named(case.path_parameters["id"]) if is_scenario else None
        upload = own or fitting(case) or UPLOADS.take()
        case.path_parameters["id"] = upload.id
    if credential := MODE.credential(upload):
        case.headers["Authorization"] = credential


@schemathesis.hook
def after_call(context, case, response):
    """Remembers uploads that a call has opened, and lets go of those that are over."""
    if case.path == "/upload/init" and response.status_code == 201:
        UPLOADS.opened(response.json())
    id = (case.path_parameters or {}).get("id")
    if response.status_code in (204, 410) or (case.path.endswith("/complete") and response.status_code == 200):
        UPLOADS.closed(id)


@schemathesis.hook
def map_body(context, body):
    """1.0 is an integer to JSON Schema and to nobody who writes clients; the gateway refuses it, and says so."""
    if isinstance(body, float) and body.is_integer():
        return int(body)
    if isinstance(body, list):
        return [map_body(context, item) for item in body]
    if isinstance(body, dict):
        return {name: map_body(context, value) for name, value in body.items()}
    return body


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Drops what only looks like a contradiction between schema and answer."""
    body = case.body if isinstance(case.body, dict) else {}
    if isinstance(failure, AcceptedNegativeData):
        # Sizes are unsigned, and OpenAPI has no format for that: what is too much for `int64` may be right.
        is_unsigned = any(isinstance(value, int) and value >= 2**63 for value in body.values())
        # What is completed says so again, whatever it is told of its parts.
        is_repeated = case.path.endswith("/complete") and "stored" in body
        return not is_unsigned and not is_repeated
    if isinstance(failure, RejectedPositiveData) and response.status_code == 400:
        fields = (error["field"] for error in response.json()["errors"])
        return not all(BEYOND_SCHEMA_NAMES.match(field) for field in fields)
    return True


@schemathesis.check
class Reach:
    """Every operation has been reached, or this run shows nothing."""

    def __init__(self):
        self._seen = {}

    def after_response(self, ctx, response, case):
        if is_asked_for(case):
            # The way to a file is its address, as a redirect or as JSON.
            status = 200 if response.status_code == 307 else response.status_code
            self._seen.setdefault(case.operation.label, set()).add(status)

    def after_run(self, ctx):
        missing = MODE.unreached(self._seen)
        if missing:
            raise AssertionError(f"these answers never came: {missing}\n{self._seen}")


@schemathesis.check
def caller_is_known(ctx, response, case):
    """A caller gets no more, and no less, than their mode allows."""
    if is_asked_for(case) and (wrong := MODE.judge(case.operation.label, response)):
        raise AssertionError(wrong)


def is_asked_for(case):
    """Not a method that is tried because the operation has another."""
    return case.method.upper() == case.operation.method.upper()


def is_valid(case, location):
    component = case.meta and case.meta.components.get(location)
    return bool(component) and component.mode == GenerationMode.POSITIVE


def fitting(case):
    """Makes a valid call one that succeeds, if it shall, and answers the upload that it then is about."""
    if case.meta.generation.mode != GenerationMode.POSITIVE or not UPLOADS.should_fit(case.path):
        return None
    if case.path.endswith("/file"):
        return UPLOADS.completed()
    if case.path.endswith("/complete"):
        case.body = {}
        return UPLOADS.sent()
    if case.path.endswith("/parts/{number}"):
        case.path_parameters["number"] = 1
        case.body, case.media_type = b"abc", "application/octet-stream"
    if case.path.endswith("/chunk/{index}"):
        case.path_parameters["index"] = 0
        case.body, case.media_type = b"abc", "application/octet-stream"
    if case.path.endswith("/sign"):
        case.body = {"parts": [1]}
    if case.path.endswith("/parts"):
        case.body = {"stored": [{"number": 1}]}
    return UPLOADS.fresh()
