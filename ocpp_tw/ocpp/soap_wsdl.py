"""
The definition of a service of OCPP-S, as generators of clients want it.
"""

from __future__ import annotations

from functools import cache

from lxml import etree

from .soap_tables import CENTRAL_SYSTEM
from .soap_types import Service, service
from .spyne_compat import ServerBase, Wsdl11
from .versions import Version


_WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
_SOAP12 = "{http://schemas.xmlsoap.org/wsdl/soap12/}"
_XSD = "{http://www.w3.org/2001/XMLSchema}"
_ACTION = "{http://www.w3.org/2006/05/addressing/wsdl}Action"

#: Where the definition is made for, until somebody asks where he is.
_HERE = "http://localhost/"


class _Server(ServerBase):
    """
    Spyne writes the transport of its server into the definition.
    """

    transport = "http://schemas.xmlsoap.org/soap/http"


def wsdl(version: Version, location: str, name: str = CENTRAL_SYSTEM) -> bytes:
    """
    The WSDL 1.1 of a service.

    @param location: the URL where it is served.
    """
    root = etree.fromstring(_definition(service(version, name)))
    root.find(f".//{_SOAP12}address").set("location", location)
    return bytes(
        etree.tostring(
            root, pretty_print=True, xml_declaration=True, encoding="UTF-8"
        )
    )


@cache
def _definition(of: Service) -> bytes:
    _Server(of.application)
    document = Wsdl11(of.application.interface)
    document.build_interface_document(_HERE)
    root = etree.fromstring(document.get_interface_document())
    _declare_identity(root)
    _name_actions(root)
    return bytes(etree.tostring(root))


def _declare_identity(root: etree._Element) -> None:
    """
    Every request has a header with the identity of the station.
    """
    schema = root.find(f".//{_XSD}schema")
    etree.SubElement(
        schema, f"{_XSD}element", name="chargeBoxIdentity", type="xs:string"
    )
    message = etree.Element(f"{_WSDL}message", name="Header")
    etree.SubElement(
        message,
        f"{_WSDL}part",
        name="ChargeBoxIdentity",
        element="tns:chargeBoxIdentity",
    )
    root.find(f"{_WSDL}message").addprevious(message)
    for called in root.iterfind(f"{_WSDL}binding/{_WSDL}operation"):
        header = etree.Element(
            f"{_SOAP12}header",
            message="tns:Header",
            part="ChargeBoxIdentity",
            use="literal",
        )
        called.find(f"{_WSDL}input").insert(0, header)


def _name_actions(root: etree._Element) -> None:
    """
    The action of WS-Addressing is that of OCPP, with a slash.
    """
    for operation in root.iterfind(f"{_WSDL}portType/{_WSDL}operation"):
        name = operation.get("name")
        operation.find(f"{_WSDL}input").set(_ACTION, f"/{name}")
        operation.find(f"{_WSDL}output").set(_ACTION, f"/{name}Response")
    for operation in root.iterfind(f"{_WSDL}binding/{_WSDL}operation"):
        action = f"/{operation.get('name')}"
        operation.find(f"{_SOAP12}operation").set("soapAction", action)
