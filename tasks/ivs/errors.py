"""What the wire can't give as an answer.

IvsError
├── NeverSent          sending never began: nothing can have been executed or billed
│   ├── BodyTooLarge   the request was not even tried: it is over the limit
│   └── RunStopper     nor will any other call leave: the token endpoint has refused for good
└── TokenError         no token could be had; nothing was asked of IVS

A call whose sending began never raises: whatever happened is an `Answer` (`tasks.ivs.client`).
"""

from __future__ import annotations


class IvsError(Exception):
    """Something of the wire failed; never holds a payload."""


class NeverSent(IvsError):  # noqa: N818  # a fact, not a fault
    """Sending never began; `cause` names the kind of failure."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"sending never began: {cause}")
        self.cause = cause

    def __reduce__(self) -> tuple[type[NeverSent], tuple[str]]:
        return type(self), (self.cause,)


class BodyTooLarge(NeverSent):
    """The body is over the limit (reference 5: 12 MB)."""


class RunStopper(NeverSent):
    """No call of this account can leave until a person has seen to it; asking again could lock the user out."""


class TokenError(IvsError):
    """The token endpoint gave no token: status and code say why, and `final` whether to try again."""

    def __init__(self, status: int | None, code: str, *, final: bool) -> None:
        super().__init__(f"no token: status {status}, code {code or 'none'}")
        self.status = status
        self.code = code
        self.final = final

    def __reduce__(self) -> tuple[object, ...]:
        return _token_error, (self.status, self.code, self.final)


def _token_error(status: int | None, code: str, final: bool) -> TokenError:
    return TokenError(status, code, final=final)
