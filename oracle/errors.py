"""Every error a user can meet: one root, few children, each naming the key, the value and what was expected."""

from __future__ import annotations


class OracleError(Exception):
    """Root of all errors the oracle raises on purpose; the message is meant for a person."""


class ConfigError(OracleError, ValueError):
    """A network, space or study config that cannot be used.

    Attributes:
        key: dotted key the complaint is about, "" when it is about the file as a whole.
        file: path of the config file, "" when the config was not read from one.
    """

    def __init__(self, message: str, *, key: str = "", file: str = "") -> None:
        where = ": ".join(part for part in (file, key) if part)
        super().__init__(f"{where}: {message}" if where else message)
        self.key = key
        self.file = file


class DeviceError(OracleError, LookupError):
    """An unknown device, a broken device file, or a figure (a dtype's peak) that a device does not have."""


class WorkloadError(OracleError, ValueError):
    """A workload keyword (batch size, dtype, mode, runtime, layout, convention) outside its domain."""


class TraceError(OracleError, RuntimeError):
    """A module whose forward or backward pass could not be traced on the meta device."""


class UnknownOperatorError(OracleError):
    """An operator without a FLOP formula met under `strict`.

    Attributes:
        operators: names of the operators, sorted.
    """

    def __init__(self, operators: tuple[str, ...]) -> None:
        super().__init__(
            f"operators={', '.join(operators)} have no FLOP formula; "
            "register one with oracle.register_flops, or call without strict"
        )
        self.operators = operators


class MissingDependencyError(OracleError, ImportError):
    """A library is needed that is not installed; the message says what to install."""
