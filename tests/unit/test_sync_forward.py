"""Which proxy is used, and what of it is shown."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from edge_runtime.errors import ConfigError
from edge_runtime.sync.forward import Proxy, proxy_for

FAR = urlsplit("https://collector.example/v1")
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_without_a_word_there_is_none() -> None:
    assert proxy_for(FAR, None) is None


def test_the_config_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://env:1")
    assert proxy_for(FAR, None) == Proxy("env", 1)
    assert proxy_for(FAR, "http://cfg:2") == Proxy("cfg", 2)
    assert proxy_for(FAR, "none") is None


def test_the_environment_is_never_followed_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://env:1")
    for host in ("127.0.0.1:8780", "localhost", "[::1]:1", "127.0.3.4"):
        assert proxy_for(urlsplit(f"http://{host}/v1"), None) is None
    monkeypatch.setenv("NO_PROXY", "inside.example")
    assert proxy_for(urlsplit("http://a.inside.example/v1"), None) is None
    assert proxy_for(urlsplit("http://outside.example/v1"), None) == Proxy("env", 1)


def test_a_password_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:p%40ss@env:3128")
    found = proxy_for(FAR, None)
    assert found is not None
    assert found.headers == {"proxy-authorization": "Basic dXNlcjpwQHNz"}
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:hidden@env:3128")
    with pytest.raises(ConfigError) as caught:
        proxy_for(FAR, None)
    assert "hidden" not in str(caught.value)
