"""Errors of the wire keep their facts between processes, and hold nothing else."""

from __future__ import annotations

import pickle

import pytest

from tasks.ivs.errors import BodyTooLarge, IvsError, NeverSent, RunStopper, TokenError


@pytest.mark.parametrize("kind", [NeverSent, BodyTooLarge, RunStopper])
def test_what_was_never_sent_keeps_its_kind_and_cause(kind: type[NeverSent]) -> None:
    back = pickle.loads(pickle.dumps(kind("ConnectError")))
    assert type(back) is kind
    assert isinstance(back, NeverSent)
    assert (back.cause, str(back)) == ("ConnectError", "sending never began: ConnectError")


def test_a_token_error_keeps_status_code_and_finality() -> None:
    back = pickle.loads(pickle.dumps(TokenError(401, "IAM.0062", final=True)))
    assert isinstance(back, IvsError)
    assert not isinstance(back, NeverSent)
    assert (back.status, back.code, back.final) == (401, "IAM.0062", True)
