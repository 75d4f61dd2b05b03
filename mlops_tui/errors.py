"""What can go wrong, as values: what happened, what to do now, where to read more, and the raw error last.

MlopsError                exit 1
├── UsageError            exit 2   a missing or impossible setting, a bad file or flag
├── AccessError           exit 3
│   ├── SignInError                wrong, expired or missing credential
│   └── ForbiddenError             signed in, but not allowed
├── ApprovalNeeded        exit 4   a person must say yes first
├── CloudError            exit 1   a service said no
│   ├── NotFoundError
│   ├── ConflictError
│   ├── ThrottledError
│   └── UnreachableError           nobody answered
├── PlanChangedError      exit 1   the cloud is not what the shown plan saw
├── NotInStepError        exit 1   applied, and yet the cloud says otherwise
├── RunFailedError        exit 1   a training run ended badly
├── GateMissedError       exit 1   the runs ended well, and none is good enough
├── DeliveryFailedError   exit 1   an image or a deployment ended badly, or is lost
├── ValidationFailedError exit 1   what a stage answers is not good enough
└── Interrupted           exit 130 Ctrl+C, or the worker was told to stop
"""

from __future__ import annotations

from typing import ClassVar


class MlopsError(Exception):
    """The root: `message` a sentence, `hint` what to do now, `link` a page, `raw` the service's own text."""

    exit_code: ClassVar[int] = 1
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str = "", link: str = "", raw: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint
        self.link = link
        self.raw = raw
        self.told = False  # an event with this error's card has been emitted
        self.code = code  # the service's own name for it: "AADSTS7000215", "AuthorizationFailed"


class UsageError(MlopsError):
    """Something the caller gave, or did not give. `problems` lists all of them, a line each."""

    exit_code = 2

    def __init__(self, message: str, *, problems: tuple[str, ...] = (), hint: str = "", link: str = "") -> None:
        super().__init__(message, hint=hint, link=link, raw="\n".join(problems))
        self.problems = problems


class AccessError(MlopsError):
    exit_code = 3


class SignInError(AccessError):
    default_hint = "Sign in again: `az login`, or set ARM_TENANT_ID, ARM_CLIENT_ID and ARM_CLIENT_SECRET."


class ForbiddenError(AccessError):
    default_hint = "Ask an owner of the subscription for the role that is named below."


class ApprovalNeeded(MlopsError):  # noqa: N818
    exit_code = 4


class CloudError(MlopsError):
    pass


class NotFoundError(CloudError):
    pass


class ConflictError(CloudError):
    default_hint = "Something else may be at work on it; wait a minute, then run the same command again."


class ThrottledError(CloudError):
    default_hint = "The service asks for patience; run the same command again in a minute."


class UnreachableError(CloudError):
    default_hint = "Check the connection and the address, then run the same command again: it goes on where it stopped."


class PlanChangedError(MlopsError):
    default_hint = "Look at the new plan (`mlops-tui setup --plan`), then run the command again."


class NotInStepError(MlopsError):
    default_hint = "Run the same command again; if it stays so, the log above names what differs."


class RunFailedError(MlopsError):
    pass


class GateMissedError(MlopsError):
    pass


class DeliveryFailedError(MlopsError):
    pass


class ValidationFailedError(MlopsError):
    pass


class Interrupted(MlopsError):  # noqa: N818
    exit_code = 130
    default_hint = "Run the same command again: it looks at what is there and goes on."
