"""Keys of MCP servers: what the user's settings say a server is sent, put in place at the edge.

    headers(name, told, environment)      headers of its requests, with ${VARIABLE} replaced
    variables(name, told, environment)    variables of its program

No script sees a key, or says where one is sent: the address stands in the settings beside it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...errors import HostFailure
from ..settings import VARIABLE

if TYPE_CHECKING:
    from ..settings import Environment, McpSettings


def headers(name: str, told: McpSettings, environment: Environment) -> dict[str, str]:
    """The headers of every request to a server. Raises HostFailure(code="key_missing")."""
    return {
        header: re.sub(VARIABLE, lambda found: _value(name, found[1], environment), text)
        for header, text in told.headers.items()
    }


def variables(name: str, told: McpSettings, environment: Environment) -> dict[str, str]:
    """The variables a program is started with, besides those of every program."""
    return {variable: _value(name, variable, environment) for variable in told.variables}


def _value(name: str, variable: str, environment: Environment) -> str:
    value = environment.get(variable)
    if value is None:
        raise HostFailure(
            f"the MCP server {name} needs {variable}: set it in the environment or in .env",
            code="key_missing",
        )
    return value
