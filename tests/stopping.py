"""Runs that stop as if they were killed, after some checkpoints."""

from collections.abc import Callable

import pytest

from nrc_core.training.checkpoints import Checkpoint


class Stop(Exception):
    pass


def stop_after(writes: int, call: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Call a function and stop it by an exception after `writes` checkpoints."""
    left = [writes]
    write = Checkpoint.write

    def limited(self, state):
        write(self, state)
        left[0] -= 1
        if not left[0]:
            raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "write", limited)
        with pytest.raises(Stop):
            call()
