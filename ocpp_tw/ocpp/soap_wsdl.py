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
_ADDRESSING = "{http://www.w3.org/2006/05/addressing/wsdl}"

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
    _name_as_the_standard(root, of.name)
    _declare_identity(root)
    _name_actions(root)
    return bytes(etree.tostring(root))


def _name_as_the_standard(root: etree._Element, service_name: str) -> None:
    """
    Clients are made by the names of binding, port and types.
    """
    schema = root.find(f".//{_XSD}schema")
    for element in schema.findall(f"{_XSD}element"):
        name = element.get("name")
        if name[0].isupper():
            # Of a type that is no message.
            schema.remove(element)
        elif element.get("type") == f"tns:{name}":
            # Of a request that is empty.
            named = f"{name[0].upper()}{name[1:]}"
            schema.find(f"{_XSD}complexType[@name='{name}']").set(
                "name", named
            )
            element.set("type", f"tns:{named}")
    binding, port = f"{service_name}Soap", f"{service_name}Soap12"
    found = root.find(f"{_WSDL}binding")
    found.set("name", binding)
    found.insert(0, etree.Element(f"{_ADDRESSING}UsingAddressing"))
    ports = root.find(f"{_WSDL}service/{_WSDL}port")
    ports.set("name", port)
    ports.set("binding", f"tns:{binding}")


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
        operation.find(f"{_WSDL}input").set(f"{_ADDRESSING}Action", f"/{name}")
        operation.find(f"{_WSDL}output").set(
            f"{_ADDRESSING}Action", f"/{name}Response"
        )
    for operation in root.iterfind(f"{_WSDL}binding/{_WSDL}operation"):
        action = f"/{operation.get('name')}"
        operation.find(f"{_SOAP12}operation").set("soapAction", action)
