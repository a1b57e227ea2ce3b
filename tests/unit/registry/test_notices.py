"""Who is told: what the registry says, and what it refuses."""

import pytest

from provisioner.model.errors import RegistryError
from provisioner.model.fleet.needs import Weight
from provisioner.model.fleet.notice import Endpoint
from tests.unit.registry.samples import SAMPLE, loaded


def with_notice(*lines: str) -> str:
    return SAMPLE + "notices:\n  chat:\n" + "".join(f"    {line}\n" for line in lines)


def problems(*lines: str) -> list[str]:
    with pytest.raises(RegistryError) as caught:
        loaded(with_notice(*lines))
    return [str(p).partition("notices/chat")[2] for p in caught.value.problems]


@pytest.mark.parametrize("text", [SAMPLE, SAMPLE + "notices:\n", SAMPLE + "notices: {}\n"])
def test_quiet_by_default(text: str) -> None:
    assert loaded(text).notices == ()


def test_what_is_not_said_is_the_quietest() -> None:
    url = "https://chat.example.com/hook?x=1"
    assert loaded(with_notice(f"url: {url}", "secret: env:CHAT_KEY")).notices == (
        Endpoint("chat", url, "env:CHAT_KEY", Weight.NOW, ()),
    )
    lines = ("url: file:/etc/chat.url", "secret: file:/etc/chat.key", "least: later", "topics: [drift, patch]")
    (found,) = loaded(with_notice(*lines)).notices
    assert (found.least, found.topics) == (Weight.LATER, ("drift", "patch"))


@pytest.mark.parametrize(
    "url", ["http://chat.example.com/hook", "ftp://x", "https://me:password@chat.example.com", "chat.example.com"]
)
def test_an_address_that_others_could_read_is_refused(url: str) -> None:
    (found,) = problems(f"url: {url}", "secret: env:CHAT_KEY")
    assert found.startswith("/url: must be https://HOST/PATH")


def test_a_secret_itself_is_refused() -> None:
    (found,) = problems("url: https://x.example.com", "secret: hunter2")
    assert "must be env:NAME or file:/PATH" in found


def test_an_unknown_topic_or_weight_is_refused() -> None:
    (found,) = problems("url: https://x.example.com", "secret: env:X", "topics: [weather]")
    assert "topics/0" in found
    (found,) = problems("url: https://x.example.com", "secret: env:X", "least: never")
    assert "least" in found
