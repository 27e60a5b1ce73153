# SPDX-License-Identifier: LGPL-2.1-or-later
"""How schema names are spelled in C."""

import re

# Macros of gnu11 and words of C that a member may not be called.
RESERVED = {"linux", "unix", "default", "register", "signed", "unsigned", "long", "short"}


def member(name):
    text = name.replace("-", "_")
    return text + "_" if text in RESERVED else text


def c_type(name):
    """GuestOSInfo -> PvtGuestOSInfo; our own types begin with Pvt already."""
    return name if name.startswith("Pvt") else "Pvt" + name


def snake(name):
    """GuestPCIAddress -> guest_pci_address, GuestNVMeSmart -> guest_nvme_smart."""
    text = c_type(name)[3:].replace("NVMe", "Nvme")
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", text)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text).lower()


def camel(command):
    """guest-get-load -> GuestGetLoad; pvt-get-memory -> GetMemory."""
    words = command.split("-")
    if words[0] == "pvt":
        words = words[1:]
    return "".join(word[0].upper() + word[1:] for word in words)


def args_type(command):
    return f"Pvt{camel(command)}Args"


def function(command):
    """guest-get-load -> guest_get_load; pvt-get-memory -> get_memory."""
    text = command.replace("-", "_")
    return text[4:] if text.startswith("pvt_") else text


def prefix(name):
    return "pvt_" + snake(name)


def enum_value(type_name, value):
    return f"PVT_{snake(type_name).upper()}_{value.replace('-', '_').upper()}"


def doc_lines(doc):
    return doc if isinstance(doc, list) else [doc]
