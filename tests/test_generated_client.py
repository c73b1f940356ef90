"""
The description of the REST API generates a client, and the client works.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

from .operated import Operated


#: What the generator is told: the name of its package, and to run nothing
#: over the code afterwards.
SETTINGS = """\
project_name_override: cs-client
package_name_override: cs_client
post_hooks: []
"""


class GeneratedClientTests(Operated):
    """
    A client in Python, by C{openapi-python-client}.
    """

    def setUp(self) -> None:
        self.folder = Path.cwd()
        (self.folder / "settings.yaml").write_text(SETTINGS)
        url = f"http://127.0.0.1:{self.central.port}/docs/openapi.json"
        generated = subprocess.run(
            [
                *(sys.executable, "-m", "openapi_python_client"),
                *("generate", "--meta", "none", "--url", url),
                *("--config", "settings.yaml"),
                *("--output-path", "cs_client"),
            ],
            capture_output=True,
            text=True,
        )
        self.said = generated.stdout + generated.stderr
        self.assertEqual(generated.returncode, 0, self.said)
        sys.path.insert(0, str(self.folder))
        self.addCleanup(sys.path.remove, str(self.folder))

    def module(self, name: str) -> Any:
        return importlib.import_module(f"cs_client.{name}")

    def test_client(self) -> None:
        """
        It asks, commands, and reads answers and errors as what they are.
        """
        client = self.module("client").AuthenticatedClient(
            base_url=self.url(), token=self.key
        )
        stations = self.module("api.stations.get_stations")
        page = stations.sync(client=client, connected=True)
        self.assertEqual([item.identity for item in page.items], ["CP1"])
        reset = self.module("api.commands.command_reset")
        order = self.module("models.ocpp16_reset_request").OCPP16ResetRequest
        answer = reset.sync(
            "CP1", client=client, body=order.from_dict({"type": "Soft"})
        )
        self.assertEqual(answer.to_dict(), {"status": "Accepted"})
        one = self.module("api.stations.get_stations_identity")
        error = one.sync("CP9", client=client)
        self.assertEqual(error.error.code, 404)
