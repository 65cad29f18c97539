"""What goes wrong for a user, said so that it can be mended: name, got, wanted, and what to try.

Everything scenekit raises on purpose is a `ScenekitError`; anything else that escapes is a defect of ours.
"""


class ScenekitError(Exception):
    """Base of all our errors. The command line prints its message and exits with `exit_code`.

    Args:
        name: What is wrong: a file, an option, an argument.
        got: What was found there.
        wanted: What would have been right; names what exists where there is a choice.
        hint: What to try next, one sentence.
    """

    exit_code = 2

    def __init__(self, name: object, *, got: object, wanted: object, hint: str = ""):
        self.name, self.got, self.wanted, self.hint = str(name), str(got), str(wanted), hint
        super().__init__(f"{self.name}: got {self.got}; wanted {self.wanted}." + (f" {hint}" if hint else ""))


class InputError(ScenekitError, ValueError):
    """An argument or option that cannot be used: wrong shape, out of range, unknown name."""


class FileError(ScenekitError):
    """A file or folder that is missing, truncated, corrupt, hostile, or of another kind than its name says."""


class CaptureError(ScenekitError):
    """Photos that cannot be turned into a posed capture."""

    exit_code = 3


class FitError(ScenekitError):
    """A fit that cannot start or that diverged; the last good checkpoint is kept."""

    exit_code = 4


class BackendError(ScenekitError):
    """An optional package or device that the chosen back-end needs is not there."""

    exit_code = 5
