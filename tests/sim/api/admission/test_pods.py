"""Validation of Pods: the messages of a Kubernetes 1.36 API server."""

from typing import Any

import pytest

from sim.controllers.cluster import Cluster
from tests.sim.builders import failing, pod
from tests.table import table

LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "
    "'-', and must start and end with an alphanumeric character (e.g. 'my-name',  or "
    "'123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
DOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
    "characters, '_', '-' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'example.com', regex used for validation is "
    r"'_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')"
)
FOUR = ["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"]
MANY = [f"a{n}.example" for n in range(33)]
LONG = [f"{'a' * 60}.{'b' * 20}.example"] * 32


@table(
    ("spec", "causes"),
    [
        pytest.param(
            {"dnsPolicy": "Foo"},
            {
                "spec.dnsPolicy": 'Unsupported value: "Foo": supported values: '
                '"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"'
            },
            id="policy",
        ),
        pytest.param(
            {"dnsPolicy": "None"},
            {"spec.dnsConfig": "Required value: must provide `dnsConfig` when `dnsPolicy` is None"},
            id="none-without-config",
        ),
        pytest.param(
            {"dnsPolicy": "None", "dnsConfig": {}},
            {
                "spec.dnsConfig.nameservers": "Required value: must provide at least "
                "one DNS nameserver when `dnsPolicy` is None"
            },
            id="none-without-nameserver",
        ),
        pytest.param(
            {"dnsConfig": {"nameservers": FOUR}},
            {
                "spec.dnsConfig.nameservers": 'Invalid value: ["1.1.1.1","1.1.1.2",'
                '"1.1.1.3","1.1.1.4"]: must not have more than 3 nameservers'
            },
            id="too-many-nameservers",
        ),
        pytest.param(
            {"dnsConfig": {"nameservers": ["a.b", "010.0.0.1"]}},
            {
                "spec.dnsConfig.nameservers[0]": 'Invalid value: "a.b": must be a '
                "valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
                "spec.dnsConfig.nameservers[1]": 'Invalid value: "010.0.0.1": must not have leading 0s',
            },
            id="bad-nameservers",
        ),
        pytest.param(
            {"dnsConfig": {"searches": MANY}},
            {"spec.dnsConfig.searches": "must not have more than 32 search paths"},
            id="too-many-searches",
        ),
        pytest.param(
            {"dnsConfig": {"searches": LONG}},
            {
                "spec.dnsConfig.searches": "must not have more than 2048 characters "
                "(including spaces) in the search list"
            },
            id="too-long-a-search-list",
        ),
        pytest.param(
            {"dnsConfig": {"searches": ["a_b.example", "UP.example", "o.", ".", "-x"]}},
            {"spec.dnsConfig.searches[1]": f'"UP.example": {DOMAIN}', "spec.dnsConfig.searches[4]": f'"-x": {DOMAIN}'},
            id="bad-searches",
        ),
        pytest.param(
            {"dnsConfig": {"options": [{"value": "5"}, {"name": "x"}, {"name": ""}]}},
            {
                "spec.dnsConfig.options[0]": "Required value: must not be empty",
                "spec.dnsConfig.options[2]": "Required value: must not be empty",
            },
            id="options-without-a-name",
        ),
        pytest.param(
            {"hostname": "Bad_Name", "subdomain": "a.b"},
            {
                "spec.hostname": f'Invalid value: "Bad_Name": {LABEL}',
                "spec.subdomain": 'Invalid value: "a.b": must not contain dots',
            },
            id="hostname-and-subdomain",
        ),
        pytest.param(
            {"hostnameOverride": "a." * 32 + "b", "hostNetwork": True, "setHostnameAsFQDN": True},
            {"spec.hostnameOverride": "Too long: may not be more than 64 bytes"},
            id="hostname-override",
        ),
    ],
)
def test_invalid_pods(spec: dict[str, Any], causes: dict[str, str]) -> None:
    obj = pod("x")
    obj["spec"] = {**obj["spec"], **spec}
    status = failing(lambda: Cluster().create(obj))
    assert status["code"] == 422
    found = {cause["field"]: cause["message"] for cause in status["details"]["causes"]}
    assert found.keys() == causes.keys()
    assert all(found[field].endswith(message) for field, message in causes.items())


@table(
    "spec",
    [
        {"dnsPolicy": ""},
        {"dnsConfig": {"nameservers": ["fe80::1", "192.0.2.1"]}},
        {"dnsConfig": {"searches": ["_a.b_c.example", ".", "example.org."]}},
        {"dnsConfig": {"options": [{"name": "ndots", "value": "2"}, {"name": "x"}]}},
    ],
)
def test_valid_pods(spec: dict[str, Any]) -> None:
    obj = pod("x")
    obj["spec"] = {**obj["spec"], **spec}
    assert Cluster().create(obj)["spec"]["dnsPolicy"] == "ClusterFirst"
