"""
The folders of stations.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ocpp_tw.emulator.config import read_folder, read_folders
from ocpp_tw.errors import BadConfig


GOOD: dict[str, Any] = {
    "connectorId": [
        {
            "id": 1,
            "voltage": "DC",
            "interface": "CCS2",
            "meterValue": 5,
            "power": 150000,
        },
        2,
    ],
    "configurationKey": [
        {
            "key": "CentralSystemURL",
            "readonly": False,
            "value": "ws://localhost:9220/ocpp/",
        },
        {"key": "StationIdentity", "readonly": True, "value": "EM 1"},
    ],
}


class FolderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()) / "CP1"
        self.folder.mkdir(parents=True)

    def write(self, source: Any) -> None:
        text = source if isinstance(source, bytes) else orjson.dumps(source)
        (self.folder / "configuration.json").write_bytes(text)

    def test_read(self) -> None:
        """
        A station is what its file says.
        """
        self.write(GOOD)
        config = read_folder(self.folder)
        self.assertEqual(
            (config.identity, config.url),
            ("EM 1", "ws://localhost:9220/ocpp"),
        )
        [first, second] = config.connectors
        self.assertEqual((first.power, first.meter_value), (150000.0, 5))
        self.assertEqual((second.id, second.voltage), (2, "AC"))
        self.assertTrue(config.keys["StationIdentity"].readonly)

    def test_identity_of_the_folder(self) -> None:
        """
        A station without an identity is called as its folder.
        """
        self.write({**GOOD, "configurationKey": GOOD["configurationKey"][:1]})
        self.assertEqual(read_folder(self.folder).identity, "CP1")

    def test_certificates_beside(self) -> None:
        """
        Certificates lie beside the file.
        """
        self.write(GOOD)
        (self.folder / "ca.pem").write_text("")
        config = read_folder(self.folder)
        self.assertEqual(config.ca, self.folder / "ca.pem")
        self.assertIsNone(config.certificate)

    def test_broken(self) -> None:
        """
        What is wrong is said with file, member and reason.
        """
        url = GOOD["configurationKey"][0]
        for source, words in (
            (b"{", "not JSON"),
            ([], "is not a JSON object"),
            ({}, "CentralSystemURL is missing"),
            ({**GOOD, "connectorId": []}, "connectorId: is not a list"),
            ({**GOOD, "connectorId": ["1"]}, "connectorId[0]: is neither"),
            ({**GOOD, "connectorId": [1, 1]}, "the same id"),
            (
                {**GOOD, "connectorId": [{"id": 1, "voltage": "UC"}]},
                "connectorId[0].voltage: 'UC' is none of AC, DC",
            ),
            (
                {**GOOD, "connectorId": [{"id": True}]},
                "connectorId[0].id: True is of the wrong type",
            ),
            (
                {**GOOD, "connectorId": [{"id": 1, "power": "much"}]},
                "connectorId[0].power",
            ),
            (
                {**GOOD, "connectorId": [{"id": 1, "meterValue": -1}]},
                "connectorId[0].meterValue",
            ),
            ({**GOOD, "configurationKey": {}}, "configurationKey: is not"),
            ({**GOOD, "configurationKey": [1]}, "configurationKey[0]"),
            (
                {**GOOD, "configurationKey": [{"value": "x"}]},
                "configurationKey[0].key: is missing",
            ),
            (
                {**GOOD, "configurationKey": [{**url, "value": "ftp://x"}]},
                "CentralSystemURL: 'ftp://x' is not ws://",
            ),
            (
                {**GOOD, "configurationKey": [{**url, "value": "ws://x:y"}]},
                "CentralSystemURL",
            ),
        ):
            self.write(source)
            with self.assertRaises(BadConfig) as caught:
                read_folder(self.folder)
            message = str(caught.exception)
            self.assertIn(words, message)
            self.assertIn("CP1/configuration.json: ", message)

    def test_same_identity(self) -> None:
        """
        Two stations of one identity would throw each other out.
        """
        self.write(GOOD)
        other = self.folder.with_name("CP2")
        other.mkdir()
        (other / "configuration.json").write_bytes(orjson.dumps(GOOD))
        good, bad = read_folders(self.folder.parent)
        self.assertEqual((list(good), list(bad)), (["CP1"], ["CP2"]))

    def test_no_folder(self) -> None:
        """
        A folder that is not there is named.
        """
        with self.assertRaises(BadConfig) as caught:
            read_folders(self.folder / "nowhere")
        self.assertIn("nowhere", str(caught.exception))

    def test_ours(self) -> None:
        """
        The stations that are shipped can be used.
        """
        root = Path(__file__).parents[2]
        good, bad = read_folders(root / "conf" / "cp")
        self.assertEqual((len(good), bad), (8, {}))

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "connectorId",
                            "configurationKey",
                            "id",
                            "key",
                            "value",
                        ]
                    ),
                    inner,
                )
            ),
        )
    )
    def test_anything(self, source: Any) -> None:
        """
        Whatever a file holds, it is a station or it is refused.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "configuration.json").write_text(json.dumps(source))
        with contextlib.suppress(BadConfig):
            read_folder(folder)
