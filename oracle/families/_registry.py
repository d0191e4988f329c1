"""The record of a family, and the one place where families are registered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from oracle.errors import OracleError
from oracle.spec import NetSpec

if TYPE_CHECKING:
    from oracle.families.many.rows import Rows
    from oracle.families.population import Population


@dataclass(frozen=True, slots=True)
class Columns:
    """How a family makes many networks at once, equal to `to_spec` in every one and in every reason for none.

    Attributes:
        population: columns of config values -> the networks of the rows that it does not reject.
        keys: dotted keys whose values may differ between rows, beside MODEL.NUM_CLASSES and TRAIN.IM_SIZE.
    """

    population: Callable[[Rows], Population]
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of network: everything that configs, scores, spaces and sweeps have to know about it.

    Attributes:
        name: what MODEL.TYPE says.
        section: of the config, which its networks depend on beside MODEL, TRAIN, BN and LN.
        to_spec: config -> network; raises ConfigError, with the dotted key, where there is none.
        columns: returns how many are made at once, when that is first needed; None: candidate by candidate.
    """

    name: str
    section: str
    to_spec: Callable[[Any], NetSpec]
    columns: Callable[[], Columns] | None = None

    def __call__(self, cfg: Any) -> NetSpec:
        """`to_spec`."""
        return self.to_spec(cfg)

    @classmethod
    def own(cls, name: str, section: str, *, columns: bool = False) -> Family:
        """The family of the file of that name in this package, which is imported with the first of its networks.

        Args:
            name: of the family and of the file, which has `to_spec`.
            section: as in the record.
            columns: whether `many` has a file of that name, too, with `population` and `COLUMNS`, its keys.
        """

        def to_spec(cfg: Any) -> NetSpec:
            net: NetSpec = import_module(f"oracle.families.{name}").to_spec(cfg)
            return net

        def many() -> Columns:
            module = import_module(f"oracle.families.many.{name}")
            return Columns(module.population, module.COLUMNS)

        return cls(name, section, to_spec, many if columns else None)


FAMILIES: dict[str, Family] = {}  # by name; `register_family` fills it


def register_family(family: Family) -> Family:
    """Make a family known to configs, scores, spaces and sweeps; returns it.

    Raises:
        OracleError: the name is taken.
    """
    if family.name in FAMILIES:
        raise OracleError(f"family={family.name!r} is already registered, with section {FAMILIES[family.name].section}")
    FAMILIES[family.name] = family
    return family
