"""Every kind of fault, in the order of the table. A new module is named here."""

from tests.faults.long.kinds import signals, network, storage, databases, messages, work  # noqa: F401, I001
