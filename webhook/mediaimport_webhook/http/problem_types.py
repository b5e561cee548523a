"""Problem types: each `type` that a 4xx or 5xx can have, for docs/reference/problems.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

BASE_URL = "https://mediaimport.dev/problems/"
_CLOSED = ConfigDict(extra="forbid")


@with_config(_CLOSED)
class FieldProblem(TypedDict):
    """Error of one field."""

    pointer: Annotated[str, Field(description="JSON Pointer into the body, or ?name for a query parameter")]
    detail: str


@with_config(_CLOSED)
class ProblemDetails(TypedDict):
    """RFC 9457 problem details."""

    type: Annotated[
        str, Field(json_schema_extra={"format": "uri"}, examples=["https://mediaimport.dev/problems/not-found"])
    ]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: Annotated[str, Field(description="what happened, and what to do")]
    errors: NotRequired[list[FieldProblem]]
    setting: NotRequired[Annotated[str, Field(description="the missing settings of this service")]]
    request_id: NotRequired[Annotated[str, Field(description="as in X-Request-Id and in this service's log")]]


@dataclass(frozen=True)
class ProblemType:
    """Kind of refusal. `slug` is the end of the `type`; it never changes."""

    slug: str
    status: int
    meaning: str
    remedy: str

    @property
    def url(self) -> str:
        """Return the `type`."""
        return BASE_URL + self.slug


PROBLEM_TYPES = (
    ProblemType(
        "admins-only", 403, "The request has a field or a parameter that only admins may set.",
        "Leave out the field that `errors` names, or ask an admin.",
    ),
    ProblemType(
        "body-too-large", 413, "The body is longer than the route accepts: 1 MiB, 64 MiB for a callback.",
        "Send less. The media itself is never in a body: name its URL.",
    ),
    ProblemType(
        "body-too-slow", 408,
        "The body did not arrive within its deadline: 10 seconds, and one more for each MiB of a callback above 5 MiB.",
        "Send the request again on a better connection.",
    ),
    ProblemType(
        "catalogue-required", 422, "The request needs a catalogue database, which this service does not have.",
        "Leave out what `errors` names, or the operator of this service sets what `setting` names.",
    ),
    ProblemType(
        "cors-refused", 400, "A browser asks for an origin, a method or a header that is not allowed.",
        "The operator of this service adds the page's origin to `CORS_ORIGINS`; `detail` says what is not allowed.",
    ),
    ProblemType(
        "deleted", 410, "Somebody deleted the asset, and it does not come back.",
        "Forget its id. A new import has an id of its own.",
    ),
    ProblemType(
        "deletion-not-available", 501, "The cluster refuses `deletionPolicy: Delete`.",
        "The operator of this service enables deletion; `detail` quotes the cluster.",
    ),
    ProblemType(
        "headers-too-large", 431, "The request line and headers are longer than 64 KiB, or more than 100.",
        "Send shorter headers; cookies of other services on the same host are a usual cause.",
    ),
    ProblemType(
        "idempotency-key-in-use", 409, "A request with this Idempotency-Key is being answered.",
        "Wait as long as Retry-After says, then send it again.",
    ),
    ProblemType(
        "idempotency-key-reused", 409, "The Idempotency-Key was used for something else.",
        "Use a new key for each new request.",
    ),
    ProblemType(
        "import-gone", 409, "The import's resource is gone, or another one has its name.",
        "Do what `detail` says: import it again, or delete the other import first.",
    ),
    ProblemType(
        "import-refused", 422, "The API server refuses the import.",
        "Change what `detail` names: it quotes the rule of the resource.",
    ),
    ProblemType(
        "input-refused", 422, "The generator refuses the model's input.",
        "Change the field that `detail` names.",
    ),
    ProblemType(
        "internal", 500, "An unforeseen error happened.",
        "Report the `request_id`: the service's log has the cause under it.",
    ),
    ProblemType(
        "invalid-cursor", 400, "The cursor of a list is not from this service.",
        "Start the list without a cursor.",
    ),
    ProblemType(
        "invalid-field", 422, "A field of the body, or a query parameter, is wrong.",
        "`errors` names each field by a JSON Pointer, or a parameter as `?name`.",
    ),
    ProblemType(
        "invalid-http", 400, "The bytes are no HTTP/1.1 request.",
        "Check the client, or the proxy in front of the webhook: it may speak TLS or HTTP/2.",
    ),
    ProblemType(
        "invalid-idempotency-key", 400, "The Idempotency-Key is empty, too long, or not visible ASCII.",
        "Send 1 to 255 visible ASCII characters, such as a UUID.",
    ),
    ProblemType(
        "invalid-json", 400, "The body is no JSON object, or has a value that JSON cannot carry.",
        "Send a JSON object in UTF-8, without NaN, Infinity and half characters.",
    ),
    ProblemType(
        "method-not-allowed", 405, "The path does not have this method.",
        "Use one of the methods in the header Allow.",
    ),
    ProblemType(
        "not-a-prediction", 400, "A signed callback holds no prediction.",
        "Check which events the generator sends to this URL.",
    ),
    ProblemType(
        "not-found", 404, "The path does not exist, or what it names is absent or another user's.",
        "Check the id and the token: the answer is the same for both reasons.",
    ),
    ProblemType(
        "not-stored", 409, "Only a stored asset can be edited, and the import of this one runs, or has failed.",
        "Wait for the import's end. A failed import can be retried.",
    ),
    ProblemType(
        "overloaded", 503, "The service, or an address, has as many connections, requests or bytes as it can hold.",
        "Wait as long as Retry-After says, then try again. More replicas hold more.",
    ),
    ProblemType(
        "owner-token-refused", 403, "A signed callback's URL has an owner token that this service did not make.",
        "Check `OWNER_TOKEN_KEYS`: it lists the former keys, too, as long as predictions of them run.",
    ),
    ProblemType(
        "precondition-failed", 412, "The asset is not the one that If-Match names: somebody has edited it.",
        "Get the asset again, and edit it as it is now.",
    ),
    ProblemType(
        "provider-answer-unreadable", 502,
        "The generator's answer is not the JSON that its API promises, or longer than is read.",
        "Try again, with the same Idempotency-Key if there is one.",
    ),
    ProblemType(
        "provider-busy", 429, "The generator accepts no more requests for now.",
        "Wait as long as Retry-After says, then try again.",
    ),
    ProblemType(
        "provider-refused", 502, "The generator refuses a request of this service.",
        "The operator of this service checks the setting that `detail` names.",
    ),
    ProblemType(
        "quota-exceeded", 403, "The user has as many bytes stored, or under way, as one may have.",
        "Delete assets; `GET /api/v1/usage` shows what there is. The operator of this service can raise the quota.",
    ),
    ProblemType(
        "result-missing", 503,
        "The generator's callback left the result out, or is too large to be held, and the result cannot be fetched.",
        "The operator of this service sets what `setting` names, or does what `detail` says. The generator repeats the"
        " callback.",
    ),
    ProblemType(
        "setting-missing", 503, "The route needs a setting that this service does not have.",
        "The operator of this service sets what `setting` names.",
    ),
    ProblemType(
        "signature-refused", 401, "The callback is not signed, not by this generator for this account, or too old.",
        "Check the signing secret and the clocks; `detail` says which.",
    ),
    ProblemType(
        "still-running", 409, "The import still runs.",
        "Wait for its end, then retry it.",
    ),
    ProblemType(
        "too-many-requests", 429, "The caller sends too many requests; without a valid token, the address does.",
        "Wait as long as Retry-After says, then try again.",
    ),
    ProblemType(
        "too-many-streams", 429, "The user has as many event streams and waiting requests open as one may have.",
        "Close streams of finished assets, or ask for the list instead of following each asset.",
    ),
    ProblemType(
        "too-many-uploads", 429, "The user has begun as many uploads as one may have without completing them.",
        "Complete the uploads whose files are there. One that is not completed is forgotten on the day after the next.",
    ),
    ProblemType(
        "too-many-webhooks", 409, "The user has as many webhooks as one may have.",
        "Delete one, then make the new one.",
    ),
    ProblemType(
        "unauthorized", 401, "The request has no valid token.",
        "Send `Authorization: Bearer TOKEN` with a token that is known here and has not expired.",
    ),
    ProblemType(
        "unavailable", 503, "A service behind this one does not answer: the API server, the store or the generator.",
        "Wait as long as Retry-After says, then try again.",
    ),
    ProblemType(
        "upload-missing", 409, "The upload is completed, but its file did not arrive in the store.",
        "PUT the file to the upload's `url` with its `headers`, then complete the upload again.",
    ),
)  # fmt: skip
